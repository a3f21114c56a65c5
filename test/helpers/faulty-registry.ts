/**
 * A registry that misbehaves on order: documents in memory, every request recorded, and a `fault` function that says
 * what to do wrong with request n. Blobs honour single ranges unless told otherwise.
 *
 *   const registry = await startFaultyRegistry();
 *   const digest = registry.blob(bytes);
 *   registry.fault = (n, path) => (n === 0 && path.includes('/blobs/') ? { cutAfter: 1000 } : undefined);
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Digest, digestOf } from '../../src/core/digest/digest.js';

export interface Fault {
  /** Close the connection after so many bytes of the body. */
  readonly cutAfter?: number;
  /** Say nothing more after so many bytes of the body. */
  readonly stallAfter?: number;
  /** Send one byte at a time with this pause, in milliseconds. */
  readonly dripMs?: number;
  /** Send no faster. */
  readonly bytesPerSecond?: number;
  /** Answer 200 with everything to a Range. */
  readonly ignoreRange?: boolean;
  /** Headers in place of the right ones (undefined value: left out). */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly status?: number;
  readonly redirect?: string;
  /** In place of the right bytes. */
  readonly body?: Uint8Array;
  /** After the right bytes. */
  readonly extra?: Uint8Array;
  /** Chunked transfer coding, no Content-Length. */
  readonly chunked?: boolean;
  /** Never answer. */
  readonly silent?: boolean;
}

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

export interface FaultyOptions {
  readonly tls?: boolean;
  readonly host?: string;
  /** Demand tokens: /token gives "token-1", "token-2"…; only the newest is good. */
  readonly auth?: boolean;
}

export interface FaultyRegistry {
  readonly url: string;
  readonly host: string;
  /** PEM, with TLS. */
  readonly certificate: string;
  readonly requests: RecordedRequest[];
  /** `n` counts the requests that are not for tokens, from 0. */
  fault: (n: number, path: string) => Fault | undefined;
  blob(bytes: Uint8Array): Digest;
  manifest(repository: string, tag: string, document: unknown, mediaType: string): Digest;
  /** From now on the token handed out is refused. */
  expireToken(): void;
  readonly openSockets: () => number;
  close(): Promise<void>;
}

export async function startFaultyRegistry(options: FaultyOptions = {}): Promise<FaultyRegistry> {
  const registry = new Registry(options);
  await registry.listen();
  return registry;
}

interface Document {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

class Registry implements FaultyRegistry {
  readonly requests: RecordedRequest[] = [];
  readonly certificate: string;
  fault: FaultyRegistry['fault'] = () => undefined;
  readonly #documents = new Map<string, Document>();
  readonly #options: FaultyOptions;
  readonly #server: ReturnType<typeof createServer>;
  readonly #sockets = new Set<Socket>();
  #served = 0;
  #token = 0;

  constructor(options: FaultyOptions) {
    this.#options = options;
    const listener: RequestListener = (request, response) => this.#answer(request, response);
    const identity = options.tls ? selfSigned() : undefined;
    this.certificate = identity?.cert ?? '';
    this.#server = identity ? createTlsServer(identity, listener) : createServer(listener);
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket)).on('error', () => {});
    });
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, this.#options.host ?? '127.0.0.1', resolve));
  }

  get host(): string {
    return `${this.#options.host ?? '127.0.0.1'}:${(this.#server.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `${this.#options.tls ? 'https' : 'http'}://${this.host}`;
  }

  blob(bytes: Uint8Array): Digest {
    const digest = digestOf(bytes);
    this.#documents.set(`blobs/${digest}`, { bytes, mediaType: 'application/octet-stream' });
    return digest;
  }

  manifest(repository: string, tag: string, document: unknown, mediaType: string): Digest {
    const bytes = Buffer.from(JSON.stringify(document));
    const digest = digestOf(bytes);
    for (const name of [tag, digest]) {
      this.#documents.set(`${repository}/manifests/${name}`, { bytes, mediaType });
    }
    return digest;
  }

  expireToken(): void {
    this.#token++;
  }

  readonly openSockets = (): number => this.#sockets.size;

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? '';
    this.requests.push({ method: request.method ?? '', path, headers: request.headers });
    if (path.startsWith('/token')) {
      this.#token++;
      response.end(JSON.stringify({ token: `token-${this.#token}`, expires_in: 300 }));
      return;
    }
    const fault = this.fault(this.#served++, path) ?? {};
    if (fault.silent) return;
    if (this.#options.auth && request.headers.authorization !== `Bearer token-${this.#token}`) {
      const challenge = `Bearer realm="${this.url}/token",service="test",scope="repository:test:pull"`;
      refuse(response, 401, 'UNAUTHORIZED', { 'WWW-Authenticate': challenge, ...fault.headers });
    } else if (fault.redirect !== undefined) {
      response.writeHead(fault.status ?? 307, { Location: fault.redirect }).end();
    } else if (fault.status !== undefined) {
      refuse(response, fault.status, 'FAULT', fault.headers);
    } else {
      void this.#serve(request, response, fault);
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse, fault: Fault): Promise<void> {
    const path = (request.url ?? '').replace(/\?.*/, '').replace(/^\/v2\//, '');
    const document = this.#documents.get(/\/(blobs\/.*)/.exec(path)?.[1] ?? path);
    if (path === '') return void response.end('{}');
    if (document === undefined) return refuse(response, 404, 'BLOB_UNKNOWN');
    const { length } = document.bytes;
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const ranged = first !== undefined && !fault.ignoreRange;
    const start = ranged ? Number(first) : 0;
    const end = ranged ? Math.min(length, Number(last) + 1) : length;
    if (start >= length && length > 0) {
      return refuse(response, 416, 'RANGE_INVALID', { 'Content-Range': `bytes */${length}` });
    }
    const right = fault.body ?? document.bytes.subarray(start, end);
    const body = fault.extra ? Buffer.concat([right, fault.extra]) : right;
    const headers = {
      'Content-Type': document.mediaType,
      'Docker-Content-Digest': digestOf(document.bytes),
      'Content-Length': fault.chunked ? undefined : String(body.length),
      'Content-Range': ranged ? `bytes ${start}-${end - 1}/${length}` : undefined,
      ...fault.headers,
    };
    for (const [name, value] of Object.entries(headers))
      if (value !== undefined) response.setHeader(name, value);
    response.statusCode = ranged ? 206 : 200;
    if (request.method === 'HEAD') return void response.end();
    const stop = fault.cutAfter ?? fault.stallAfter;
    if (fault.chunked) response.write(body, () => response.end());
    else if (fault.dripMs !== undefined) await drip(response, body, fault.dripMs);
    else if (fault.bytesPerSecond !== undefined) await throttle(response, body, fault.bytesPerSecond);
    else if (stop === undefined) response.end(body);
    else if (fault.stallAfter !== undefined) response.write(body.subarray(0, stop));
    else response.write(body.subarray(0, stop), () => setTimeout(() => response.destroy(), 20));
  }
}

async function drip(response: ServerResponse, body: Uint8Array, pauseMs: number): Promise<void> {
  for (let at = 0; at < body.length && !response.destroyed; at++) {
    response.write(body.subarray(at, at + 1));
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  response.end();
}

/** Twenty pieces a second. */
async function throttle(response: ServerResponse, body: Uint8Array, bytesPerSecond: number): Promise<void> {
  const piece = Math.ceil(bytesPerSecond / 20);
  for (let at = 0; at < body.length && !response.destroyed; at += piece) {
    response.write(body.subarray(at, at + piece));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  response.end();
}

function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Fault['headers'] = {},
): void {
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) response.setHeader(name, value);
  response.statusCode = status;
  response.end(JSON.stringify({ errors: [{ code, message: `as ordered: ${status}` }] }));
}

/** A key and a certificate for localhost and 127.0.0.1, its own authority. */
function selfSigned(): { key: string; cert: string } {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-tls-'));
  try {
    const subject = '-subj /CN=gantry-test -addext subjectAltName=DNS:localhost,IP:127.0.0.1';
    const files = `-keyout ${dir}/key -out ${dir}/cert`;
    const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 ${files} ${subject}`;
    execFileSync('openssl', args.split(' '), { stdio: 'ignore' });
    return { key: readFileSync(join(dir, 'key'), 'utf8'), cert: readFileSync(join(dir, 'cert'), 'utf8') };
  } finally {
    rmSync(dir, { recursive: true });
  }
}
