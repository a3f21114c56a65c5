/** `HOST:PORT` to listen on; `:8080` is every address, `[::1]:8080` an IPv6 one, port 0 a free one. */
import { InvalidArgumentError } from 'commander';

export interface Listen {
  readonly host: string;
  readonly port: number;
}

export function parseListen(text: string): Listen {
  const [, host, port] = /^(.*):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || Number(port) > 65535) throw new InvalidArgumentError('expected HOST:PORT');
  return { host: host.replace(/^\[(.*)\]$/, '$1') || '0.0.0.0', port: Number(port) };
}
