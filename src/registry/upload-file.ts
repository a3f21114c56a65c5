/** The upload of a file, in a thread that has a login as data. */
import { createReadStream } from 'node:fs';
import type { Digest } from '../core/digest/digest.js';
import type { ProgressWords } from '../core/progress-words.js';
import { Authorizer } from './auth.js';
import type { BlobSource } from './endpoint.js';
import { HttpClient } from './http.js';
import { uploadBlob } from './upload.js';

const READ_BYTES = 256 * 1024;
const CANCEL_POLL_MS = 100;

export interface UploadFileOptions {
  /** Its first endpoint is where the blob goes. */
  readonly source: BlobSource;
  readonly path: string;
  readonly digest: Digest;
  readonly size: number;
  /** `bytesOut` are those that were sent. */
  readonly words: ProgressWords;
}

/** Throws as `uploadBlob`; ERR_CANCELED. */
export async function uploadFile({ source, path, digest, size, words }: UploadFileOptions): Promise<void> {
  const { userAgent, repository, auth, endpoints } = source;
  const http = new HttpClient({ userAgent });
  const abort = new AbortController();
  const poll = setInterval(() => words.canceled && abort.abort(), CANCEL_POLL_MS);
  let retries = 0;
  try {
    await uploadBlob({
      http,
      endpoint: endpoints[0]!,
      repository,
      authorizer: new Authorizer(auth, { userAgent, actions: 'pull,push' }),
      signal: abort.signal,
      blob: {
        digest,
        size,
        open: (start, end) => createReadStream(path, { start, end: end - 1, highWaterMark: READ_BYTES }),
      },
      onProgress: (sent) => words.set('bytesOut', sent),
      onRetry: () => words.set('retries', ++retries),
    });
  } finally {
    clearInterval(poll);
    http.close();
  }
}
