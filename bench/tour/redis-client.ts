/** A few words of RESP, redis's protocol: `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n` out; `+OK`, `$5\r\nhello`, `-ERR …` back. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export class RedisClient {
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Connects to 127.0.0.1, trying again for 20 s while nobody listens there or redis says that it is still loading. */
  static async connect(port: number): Promise<RedisClient> {
    const deadline = Date.now() + 20_000;
    for (;;) {
      let client: RedisClient | undefined;
      try {
        client = new RedisClient(await connected(port));
        await client.command('PING');
        return client;
      } catch (cause) {
        client?.close();
        if (Date.now() > deadline) throw new Error(`no redis answers on port ${port}`, { cause });
        await sleep(50);
      }
    }
  }

  /** Sends a command and gives its simple or bulk reply. Throws on an error reply. */
  async command(...words: string[]): Promise<string> {
    const bulk = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('');
    this.#socket.write(`*${words.length}\r\n${bulk}`);
    let reply = '';
    for await (const chunk of this.#socket.iterator({ destroyOnReturn: false })) {
      reply += (chunk as Buffer).toString();
      const complete = /^\$(\d+)\r\n/.exec(reply);
      const wanted =
        complete === null ? reply.indexOf('\r\n') + 2 : complete[0].length + Number(complete[1]) + 2;
      if (wanted >= 3 && Buffer.byteLength(reply) >= wanted) break;
    }
    if (reply.startsWith('-')) throw new Error(`redis: ${reply.slice(1).trim()}`);
    return reply.startsWith('$') ? reply.slice(reply.indexOf('\r\n') + 2, -2) : reply.slice(1).trim();
  }

  close(): void {
    this.#socket.destroy();
  }
}

const connected = (port: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
  });
