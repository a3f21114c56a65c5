/** A registry whose every answer a test writes itself; it keeps what it was asked. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type Digest, digestOf } from '../../src/core/digest/digest.js';
import { MEDIA_TYPE } from '../../src/core/oci/media-types.js';
import { LOCALHOST_CERT, LOCALHOST_KEY } from './localhost-certificate.js';

export type Handler = (request: IncomingMessage & { body: string }, response: ServerResponse) => void;

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface ScriptedRegistry extends AsyncDisposable {
  /** "127.0.0.1:port" */
  readonly host: string;
  readonly asked: Asked[];
  /** By "METHOD /path" without the query. */
  on(what: string, handler: Handler): void;
}

export async function scriptedRegistry(options: { readonly tls?: boolean } = {}): Promise<ScriptedRegistry> {
  const handlers = new Map<string, Handler>();
  const asked: Asked[] = [];
  const listener = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { method = '', url = '', headers } = request;
    asked.push({ method, url, headers, body });
    const handler = handlers.get(`${method} ${url.split('?', 1)[0]}`);
    if (handler !== undefined) return handler(Object.assign(request, { body }), response);
    response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
  };
  const server: Server = options.tls
    ? createSecureServer({ cert: LOCALHOST_CERT, key: LOCALHOST_KEY }, listener)
    : createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    on: (what, handler) => handlers.set(what, handler),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export const send =
  (body: Uint8Array | string, headers: Record<string, string> = {}, status = 200): Handler =>
  (_, response) => {
    response.writeHead(status, headers).end(body);
  };

export interface TestImage {
  readonly manifest: Buffer;
  readonly manifestDigest: Digest;
  readonly config: Buffer;
  readonly configDigest: Digest;
}

const LAYER = {
  mediaType: MEDIA_TYPE.ociLayerGzip as string,
  digest: digestOf('layer blob'),
  size: 10,
};

/** An image of one layer; `change` edits the manifest before its digest is taken. */
export function testImage(
  change: (manifest: Record<string, unknown>) => object = (manifest) => manifest,
  config: object = {},
): TestImage {
  const configBytes = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [digestOf('layer tar')] },
      ...config,
    }),
  );
  const manifest = Buffer.from(
    JSON.stringify(
      change({
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.ociManifest,
        config: { mediaType: MEDIA_TYPE.ociConfig, digest: digestOf(configBytes), size: configBytes.length },
        layers: [LAYER],
      }),
    ),
  );
  return {
    manifest,
    manifestDigest: digestOf(manifest),
    config: configBytes,
    configDigest: digestOf(configBytes),
  };
}

/** Serves an image in a/b by tag and digest. */
export function serveImage(
  registry: ScriptedRegistry,
  image: TestImage,
  tag = 'latest',
  type: string = MEDIA_TYPE.ociManifest,
): void {
  const headers = { 'content-type': type, 'docker-content-digest': image.manifestDigest };
  for (const reference of [tag, image.manifestDigest]) {
    registry.on(`GET /v2/a/b/manifests/${reference}`, send(image.manifest, headers));
    registry.on(`HEAD /v2/a/b/manifests/${reference}`, send('', headers));
  }
  registry.on(`GET /v2/a/b/blobs/${image.configDigest}`, send(image.config));
}
