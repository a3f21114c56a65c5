/**
 * A small read-only registry (OCI distribution-spec v1.1, the pull part) over image layouts and archives on disk:
 *
 *   GET|HEAD /v2/                              200 {}
 *            /v2/_catalog?n=&last=             {"repositories":[…]}
 *            /v2/<name>/tags/list?n=&last=     {"name":…,"tags":[…]}
 *            /v2/<name>/manifests/<reference>  Docker-Content-Digest, the manifest's media type
 *            /v2/<name>/blobs/<digest>         one byte range: 206, or 416
 *
 * No authentication and no TLS: it listens on loopback unless told otherwise, and offers nothing but images.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseDigest } from '../core/digest/digest.js';
import { GantryError } from '../core/errors.js';
import type { FileRange } from './layout-archive.js';
import { LayoutContent } from './layout-content.js';
import { sendFile } from './send-file.js';

export interface ServedRequest {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly milliseconds: number;
}

export interface ServeOptions {
  /** OCI layouts and docker save archives: folders or uncompressed tars. */
  readonly sources: readonly string[];
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: one that is free. */
  readonly port?: number;
  readonly log?: (request: ServedRequest) => void;
}

export interface RegistryServer {
  /** "127.0.0.1:5000" */
  readonly address: string;
  /** "redis:7" of everything offered. */
  readonly images: readonly string[];
  close(): Promise<void>;
}

/** Reads the sources (see `LayoutContent` for errors) and listens. Throws ERR_NETWORK when it cannot. */
export async function serve(o: ServeOptions): Promise<RegistryServer> {
  const content = new LayoutContent(o.sources);
  const { host = '127.0.0.1', port = 0 } = o;
  const server = createServer((request, response) => {
    const started = performance.now();
    response.on('close', () => {
      o.log?.({
        method: request.method ?? '',
        path: request.url ?? '',
        status: response.statusCode,
        milliseconds: performance.now() - started,
      });
    });
    answer(content, request, response).catch((error: Error) => {
      // after the head only a cut connection can tell
      if (response.headersSent) response.destroy();
      else refuse(response, 500, 'UNKNOWN', error.message);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new GantryError('ERR_NETWORK', `cannot listen on ${host}:${port}: ${cause.message}`, {}, { cause }),
      );
    });
    server.listen(port, host, resolve);
  });
  const { address, family, port: actual } = server.address() as AddressInfo;
  return {
    address: `${family === 'IPv6' ? `[${address}]` : address}:${actual}`,
    images: content.repositories().flatMap((name) => content.tags(name)!.map((tag) => `${name}:${tag}`)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  content: LayoutContent,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.setHeader('Docker-Distribution-Api-Version', 'registry/2.0');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return refuse(response, 405, 'UNSUPPORTED', `${request.method}: this registry is read-only`);
  }
  const url = new URL(request.url ?? '/', 'http://registry');
  const [, name = '', kind, reference = ''] =
    /^\/v2\/(.+)\/(manifests|blobs|tags)\/([^/]+)$/.exec(decodeURI(url.pathname)) ?? [];
  if (url.pathname === '/v2/' || url.pathname === '/v2') return sendJson(response, '{}');
  if (url.pathname === '/v2/_catalog') {
    const page = pageOf(content.repositories(), url, response);
    return sendJson(response, JSON.stringify({ repositories: page }));
  }
  const tags = content.tags(name);
  if (kind === undefined) return refuse(response, 404, 'UNSUPPORTED', `${url.pathname}: no such endpoint`);
  if (tags === undefined) return refuse(response, 404, 'NAME_UNKNOWN', `no repository ${name}`);
  if (reference.includes(':') && !isDigest(reference)) {
    return refuse(response, 400, 'DIGEST_INVALID', `${reference}: expected sha256:<hex> or sha512:<hex>`);
  }
  if (kind === 'tags') {
    if (reference !== 'list')
      return refuse(response, 404, 'UNSUPPORTED', `${url.pathname}: no such endpoint`);
    return sendJson(response, JSON.stringify({ name, tags: pageOf(tags, url, response) }));
  }
  if (kind === 'manifests') {
    const manifest = content.manifest(name, reference);
    if (manifest === undefined)
      return refuse(response, 404, 'MANIFEST_UNKNOWN', `no manifest ${name}:${reference}`);
    response.setHeader('Docker-Content-Digest', manifest.digest);
    response.setHeader('ETag', `"${manifest.digest}"`);
    return sendJson(response, manifest.bytes, manifest.mediaType);
  }
  const blob = isDigest(reference) ? content.blob(parseDigest(reference)) : undefined;
  if (blob === undefined) return refuse(response, 404, 'BLOB_UNKNOWN', `no blob ${reference} in ${name}`);
  response.setHeader('Docker-Content-Digest', reference);
  response.setHeader('ETag', `"${reference}"`);
  return sendBlob(request, response, blob);
}

function isDigest(text: string): boolean {
  try {
    parseDigest(text);
    return true;
  } catch {
    return false;
  }
}

async function sendBlob(
  request: IncomingMessage,
  response: ServerResponse,
  blob: FileRange | Buffer,
): Promise<void> {
  const size = Buffer.isBuffer(blob) ? blob.length : blob.size;
  const range = byteRange(request.headers.range, size);
  response.setHeader('Accept-Ranges', 'bytes');
  response.setHeader('Content-Type', 'application/octet-stream');
  if (range === 'unsatisfiable') {
    response.setHeader('Content-Range', `bytes */${size}`);
    return refuse(response, 416, 'RANGE_INVALID', `${request.headers.range}: the blob has ${size} bytes`);
  }
  const { start, end } = range ?? { start: 0, end: size };
  if (range !== undefined) response.setHeader('Content-Range', `bytes ${start}-${end - 1}/${size}`);
  response.setHeader('Content-Length', end - start);
  response.statusCode = range === undefined ? 200 : 206;
  if (request.method === 'HEAD' || start === end) response.end();
  else if (Buffer.isBuffer(blob)) response.end(blob.subarray(start, end));
  else await sendFile(response, { path: blob.path, offset: blob.offset + start, size: end - start });
}

/** One `bytes=` range as [start, end); undefined (send everything) for none, several, or another unit. */
function byteRange(
  header: string | undefined,
  size: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (first === '' && last === '') return undefined;
  if (first === '') {
    return last === '0' || size === 0
      ? 'unsatisfiable'
      : { start: Math.max(0, size - Number(last)), end: size };
  }
  const end = last === '' ? size : Math.min(size, Number(last) + 1);
  if (last !== '' && Number(last) < Number(first)) return undefined;
  return Number(first) < size ? { start: Number(first), end } : 'unsatisfiable';
}

/** `?n=` entries after `?last=`, with a Link to the next page (distribution-spec, "Listing Tags"). */
function pageOf(all: readonly string[], url: URL, response: ServerResponse): string[] {
  const last = url.searchParams.get('last');
  const rest = last === null ? [...all] : all.filter((entry) => entry > last);
  const n = url.searchParams.get('n');
  if (n === null || !/^\d{1,9}$/.test(n) || rest.length <= Number(n)) return rest;
  const page = rest.slice(0, Number(n));
  const next = page.at(-1);
  if (next !== undefined) {
    response.setHeader('Link', `<${url.pathname}?n=${n}&last=${encodeURIComponent(next)}>; rel="next"`);
  }
  return page;
}

function sendJson(response: ServerResponse, body: string | Buffer, mediaType = 'application/json'): void {
  response.setHeader('Content-Type', mediaType);
  response.setHeader('Content-Length', Buffer.byteLength(body));
  response.end(body); // node:http leaves the body out for HEAD
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.statusCode = status;
  sendJson(response, JSON.stringify({ errors: [{ code, message }] }));
}
