/** Uploads against a registry that keeps to the specification, and breaks where a test says. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/core/digest/digest.js';
import { Authorizer, emptyAuthState } from '../../src/registry/auth.js';
import { HttpClient } from '../../src/registry/http.js';
import { findBlob, mountBlob, uploadBlob } from '../../src/registry/upload.js';
import { noise } from '../helpers/random.js';

const bytes = noise(1000, 1);
const digest = digestOf(bytes);

/** What to do wrong with the n-th request that has a body; `keep` bytes of it are kept before the connection breaks. */
type Fault =
  | { readonly keep: number; readonly forget?: boolean; readonly store?: boolean }
  | { readonly status: number }
  | undefined;

class UploadRegistry {
  readonly asked: string[] = [];
  readonly blobs = new Map<string, Buffer>();
  fault: (n: number, method: string) => Fault = () => undefined;
  #bodies = 0;
  #made = 0;
  readonly #uploads = new Map<string, Buffer>();
  readonly server = createServer((request, response) => void this.#answer(request, response));

  get host(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '' } = request;
    const url = new URL(request.url ?? '', 'http://x');
    const place = url.pathname.replace('/v2/a/b/', '');
    this.asked.push(
      `${method} ${place.replace(digest, '<digest>')}${request.headers['content-range'] ? ` ${request.headers['content-range']}` : ''}`,
    );
    const id = /^blobs\/uploads\/(.+)$/.exec(place)?.[1];
    if (method === 'HEAD') {
      const blob = this.blobs.get(place.replace('blobs/', ''));
      response.writeHead(blob ? 200 : 404, blob ? { 'content-length': blob.length } : {}).end();
    } else if (method === 'POST') {
      const mount = url.searchParams.get('mount');
      if (mount !== null && this.blobs.has(mount)) return void response.writeHead(201).end();
      const fresh = `u${++this.#made}`;
      this.#uploads.set(fresh, Buffer.alloc(0));
      response.writeHead(202, { location: `/v2/a/b/blobs/uploads/${fresh}?state=x` }).end();
    } else if (id === undefined || !this.#uploads.has(id)) {
      response.writeHead(404).end();
    } else if (method === 'GET') {
      const { length } = this.#uploads.get(id)!;
      response.writeHead(204, { location: request.url!, range: `0-${Math.max(0, length - 1)}` }).end();
    } else {
      await this.#take(request, response, id, url);
    }
  }

  async #take(request: IncomingMessage, response: ServerResponse, id: string, url: URL): Promise<void> {
    const expected = Number(request.headers['content-length']);
    const fault = expected > 0 ? this.fault(this.#bodies++, request.method!) : undefined;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const before = this.#uploads.get(id)!;
    if (fault !== undefined && 'status' in fault) return void response.writeHead(fault.status).end();
    const [, start] = /^(\d+)-/.exec(request.headers['content-range'] ?? '') ?? [];
    if (start !== undefined && Number(start) !== before.length) return void response.writeHead(416).end();
    const kept = Buffer.concat([before, fault === undefined ? body : body.subarray(0, fault.keep)]);
    this.#uploads.set(id, kept);
    if (fault !== undefined) {
      if (fault.forget) this.#uploads.delete(id);
      if (fault.store) this.blobs.set(digest, body);
      return void response.destroy();
    }
    if (request.method === 'PATCH') {
      response.writeHead(202, { location: request.url!, range: `0-${kept.length - 1}` }).end();
      return;
    }
    const asked = url.searchParams.get('digest')!;
    if (digestOf(kept) !== asked)
      return void response.writeHead(400).end('{"errors":[{"code":"DIGEST_INVALID"}]}');
    this.blobs.set(asked, kept);
    response.writeHead(201, { location: `/v2/a/b/blobs/${asked}` }).end();
  }
}

describe('an upload', () => {
  let registry: UploadRegistry;
  let http: HttpClient;
  beforeEach(async () => {
    registry = new UploadRegistry();
    await new Promise<void>((resolve) => registry.server.listen(0, '127.0.0.1', resolve));
    http = new HttpClient({ userAgent: 'test', sleep: async () => {} });
  });
  afterEach(async () => {
    http.close();
    registry.server.closeAllConnections();
    await new Promise((resolve) => registry.server.close(resolve));
  });

  const conversation = () => ({
    http,
    repository: 'a/b',
    authorizer: new Authorizer(emptyAuthState(), { userAgent: 'test', actions: 'pull,push' as const }),
    endpoint: {
      base: `http://${registry.host}/v2`,
      host: registry.host,
      headers: {},
      tls: {},
      connectTimeoutMs: 1000,
      capabilities: { pull: true, resolve: true },
    },
  });
  let retries: number;
  const upload = (content = bytes, pieceBytes = 400) => {
    retries = 0;
    const open = (start: number, end: number) => Readable.from([content.subarray(start, end)]);
    return uploadBlob({
      ...conversation(),
      blob: { digest, size: content.length, open },
      pieceBytes,
      sleep: async () => {},
      onRetry: () => retries++,
    });
  };

  it('puts a small blob in one request', async () => {
    await upload(bytes, 1000);
    expect(registry.asked).toEqual(['POST blobs/uploads/', 'PUT blobs/uploads/u1']);
    expect(await findBlob(conversation(), digest)).toBe(1000);
  });

  it('puts a big one in pieces', async () => {
    await upload();
    expect(registry.asked).toEqual([
      'POST blobs/uploads/',
      'PATCH blobs/uploads/u1 0-399',
      'PATCH blobs/uploads/u1 400-799',
      'PATCH blobs/uploads/u1 800-999',
      'PUT blobs/uploads/u1',
    ]);
    expect(registry.blobs.get(digest)).toEqual(bytes);
  });

  it('goes on at the byte that the registry has after a broken connection', async () => {
    registry.fault = (n) => (n === 1 ? { keep: 150 } : undefined);
    await upload();
    expect(registry.asked.slice(2)).toEqual([
      'PATCH blobs/uploads/u1 400-799',
      'GET blobs/uploads/u1',
      'PATCH blobs/uploads/u1 550-949',
      'PATCH blobs/uploads/u1 950-999',
      'PUT blobs/uploads/u1',
    ]);
    expect(registry.blobs.get(digest)).toEqual(bytes);
    expect(retries).toBe(1);
  });

  it.each([
    ['it has forgotten the upload', { keep: 10, forget: true }],
    ['it has nothing of it', { keep: 0 }],
  ])('begins anew where %s', async (_, fault) => {
    registry.fault = (n) => (n === 0 ? fault : undefined);
    await upload();
    expect(registry.asked.filter((line) => line.startsWith('POST'))).toHaveLength(2);
    expect(registry.blobs.get(digest)).toEqual(bytes);
  });

  it('is done where the registry stored it, and only the answer was lost', async () => {
    registry.fault = () => ({ keep: 0, forget: true, store: true });
    await upload(bytes, 1000);
    expect(registry.asked.filter((line) => line.startsWith('POST'))).toHaveLength(1);
    expect(registry.asked.at(-1)).toBe('HEAD blobs/<digest>');
  });

  it('gives up after five failures without progress, not before', async () => {
    registry.fault = () => ({ status: 503 });
    await expect(upload()).rejects.toMatchObject({ code: 'ERR_REGISTRY', details: { status: 503 } });
    expect(retries).toBe(4);
    registry.fault = (n) => (n % 3 === 2 ? undefined : { keep: 120 });
    await upload();
    expect(registry.blobs.get(digest)).toEqual(bytes);
  });

  it('does not try again what is refused', async () => {
    registry.fault = () => ({ status: 403 });
    await expect(upload()).rejects.toMatchObject({ code: 'ERR_DENIED' });
    expect(retries).toBe(0);
  });

  it('fails when the registry finds another digest', async () => {
    await expect(upload(noise(1000, 2))).rejects.toThrow(/answered 400 \(DIGEST_INVALID\)/);
    expect(await findBlob(conversation(), digest)).toBeUndefined();
  });

  it('is spared by a mount, where the registry has the blob', async () => {
    expect(await mountBlob(conversation(), digest, 'c/d')).toBe(false);
    registry.blobs.set(digest, bytes);
    expect(await mountBlob(conversation(), digest, 'c/d')).toBe(true);
  });
});
