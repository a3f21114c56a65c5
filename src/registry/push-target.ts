/**
 * A repository to push to: the registry itself, never a mirror of it. Blobs go by upload.ts, here or in a worker; the manifest, which
 * makes an image of them, goes last.
 */
import type { Digest } from '../core/digest/digest.js';
import { LIMITS } from '../core/limits.js';
import { Authorizer, emptyAuthState } from './auth.js';
import { authorized, type Conversation } from './authorized.js';
import { Credentials } from './credentials.js';
import { type BlobSource, manifestURL } from './endpoint.js';
import { Hosts } from './hosts.js';
import { HttpClient, type HttpOptions } from './http.js';
import { familiarName, type Reference } from './reference.js';
import { checkPushed } from './upload.js';

export interface PushTarget extends Conversation {
  /** What a worker needs to go on with the same login. */
  source(): Promise<BlobSource>;
}

export interface PushedManifest {
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly digest: Digest;
}

/** Asks nobody yet. Throws ERR_DENIED (blocked by registries.conf), ERR_INVALID_ARGUMENT (a broken file). */
export async function openPush(
  reference: Reference,
  options: HttpOptions,
  signal?: AbortSignal,
): Promise<PushTarget> {
  const env = options.env ?? process.env;
  const credentials = new Credentials({ env });
  const endpoint = (await new Hosts({ env }).endpoints(reference)).at(-1)!;
  const repository = reference.path;
  const authorizer = new Authorizer(emptyAuthState(), {
    ...options,
    actions: 'pull,push',
    lookup: (host, path) => credentials.get(host, path),
  });
  const http = new HttpClient(options);
  return {
    http,
    authorizer,
    endpoint,
    repository,
    signal,
    source: async () => {
      await authorizer.prepare([endpoint], repository);
      return { endpoints: [endpoint], repository, auth: authorizer.state(), userAgent: options.userAgent };
    },
  };
}

/** Stores the manifest under a tag or its digest. Throws as `authorized`; ERR_DIGEST_MISMATCH. */
export async function putManifest(
  target: PushTarget,
  reference: Reference,
  { mediaType, bytes, digest }: PushedManifest,
): Promise<void> {
  const what = `manifest of ${familiarName(reference)}:${reference.tag ?? digest}`;
  const response = await authorized(target, {
    url: manifestURL(target.endpoint, target.repository, reference.tag ?? digest),
    what,
    method: 'PUT',
    headers: { 'content-type': mediaType },
    body: bytes.toString(),
    limit: LIMITS.errorBodyBytes,
  });
  checkPushed(response, digest, what);
}
