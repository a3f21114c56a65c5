/**
 * Resolves references (distribution-spec, pull): tag or digest → manifest, or index → platform → manifest → config,
 * each checked against the digest and size it was asked by. Returns plain data, with all that a worker needs to
 * fetch the layers by itself.
 *
 * Trust: a digest may be asked for anywhere, the answer is checked. What a *tag* points to is believed only of
 * endpoints with the capability "resolve". Endpoints are tried in order; the origin, which is last, has the last word.
 */
import { type Digest, digestOf, parseDigest } from '../core/digest/digest.js';
import { GantryError, isGantryError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Descriptor } from '../core/oci/descriptor.js';
import { type ImageConfig, parseImageConfig } from '../core/oci/image-config.js';
import type { Manifest } from '../core/oci/manifest.js';
import { MANIFEST_ACCEPT } from '../core/oci/media-types.js';
import { Authorizer, emptyAuthState } from './auth.js';
import { authorized } from './authorized.js';
import { Credentials } from './credentials.js';
import { type BlobSource, blobURL, type Endpoint, manifestURL } from './endpoint.js';
import { Hosts } from './hosts.js';
import { HttpClient, type HttpOptions, type HttpRequest, type HttpResponse } from './http.js';
import { checkConfig, checkDigest, checkSize, wrongSize } from './image-checks.js';
import { type ManifestDocument, readManifestDocument } from './manifest-document.js';
import { choosePlatform, hostPlatform, type PlatformSpec } from './platform.js';
import { familiarString, pullReference, type Reference } from './reference.js';

/** An index may hold indexes; no registry is known to nest deeper. */
const MAX_INDEX_DEPTH = 2;
/** A mirror that fails has another endpoint behind it: asking it five times would only delay the pull. */
const MIRROR_ATTEMPTS = 2;

export interface ClientOptions extends HttpOptions {
  readonly hosts?: Hosts;
  readonly credentials?: Credentials;
}

export interface ResolveOptions {
  /** Default: this machine's, where any image that is not an index will do as well. */
  readonly platform?: PlatformSpec | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ResolvedImage {
  /** What was asked for: a tag or a digest, never both. */
  readonly reference: Reference;
  /** Of the document asked for, index or manifest: the RepoDigest. */
  readonly topDigest: Digest;
  readonly manifestDigest: Digest;
  readonly mediaType: string;
  readonly manifest: Manifest;
  /** Byte for byte; its digest is `manifestDigest`. */
  readonly manifestBytes: Buffer;
  /** Byte for byte; its digest is the image id. */
  readonly config: Buffer;
  readonly imageConfig: ImageConfig;
  readonly source: BlobSource;
}

interface Fetched {
  readonly digest: Digest;
  readonly document: ManifestDocument;
  readonly body: Buffer;
}

/** One image's conversation: its endpoints, its logins and what went wrong where. */
interface Session {
  readonly reference: Reference;
  readonly what: string;
  readonly endpoints: readonly Endpoint[];
  readonly unreachable: Set<Endpoint>;
  readonly authorizer: Authorizer;
  readonly signal: AbortSignal | undefined;
}

export class RegistryClient {
  readonly #options: ClientOptions;
  readonly #http: HttpClient;
  readonly #hosts: Hosts;
  readonly #credentials: Credentials;

  constructor(options: ClientOptions) {
    const env = options.env ?? process.env;
    this.#options = options;
    this.#http = new HttpClient(options);
    this.#hosts = options.hosts ?? new Hosts({ env });
    this.#credentials = options.credentials ?? new Credentials({ env });
  }

  /**
   * Everything about an image but its layers. Throws ERR_NOT_FOUND, ERR_UNAUTHORIZED, ERR_DENIED, ERR_RATE_LIMITED,
   * ERR_REGISTRY, ERR_NETWORK, ERR_TIMEOUT, ERR_CANCELED; ERR_NO_PLATFORM; ERR_DIGEST_MISMATCH, ERR_SIZE_MISMATCH;
   * ERR_MANIFEST_INVALID, ERR_MANIFEST_CONFUSION, ERR_UNSUPPORTED.
   */
  async resolve(reference: Reference, options: ResolveOptions = {}): Promise<ResolvedImage> {
    const session = await this.#open(reference, options.signal);
    const top = await this.#manifest(session);
    const wanted = options.platform ?? hostPlatform();
    let found = top;
    for (let depth = 0; found.document.kind === 'index'; depth++) {
      if (depth === MAX_INDEX_DEPTH) {
        throw new GantryError('ERR_UNSUPPORTED', `${session.what}: index within index within index`);
      }
      const entry = choosePlatform(found.document.index.manifests, wanted, session.what);
      found = await this.#manifest(session, entry);
    }
    const { manifest, mediaType } = found.document;
    const config = await this.#config(session, manifest.config);
    const imageConfig = parseImageConfig(config, `${session.what}: image config`);
    checkConfig(session.what, manifest, imageConfig, options.platform);
    return {
      reference: session.reference,
      topDigest: top.digest,
      manifestDigest: found.digest,
      mediaType,
      manifest,
      manifestBytes: found.body,
      config,
      imageConfig,
      source: await this.#source(session),
    };
  }

  /**
   * The digest a tag points to now, by HEAD: registries that count pulls do not count it. For a reference with a digest
   * it is a check that the manifest is there. Throws as `resolve` does.
   */
  async head(reference: Reference, options: Pick<ResolveOptions, 'signal'> = {}): Promise<Digest> {
    const session = await this.#open(reference, options.signal);
    const { digest } = session.reference;
    const response = await this.#ask(session, digest === undefined, (endpoint) => ({
      ...manifestRequest(session, endpoint, tagOrDigest(session.reference)),
      method: 'HEAD',
    }));
    const header = response.headers['docker-content-digest'];
    if (digest !== undefined) return digest;
    if (header === undefined) return (await this.#manifest(session)).digest;
    return parseDigest(header, `${session.what}: Docker-Content-Digest`);
  }

  /** Where a blob can be had, and its size there. Throws as `resolve`; ERR_REGISTRY where no size is told. */
  async blob(
    repository: Reference,
    digest: Digest,
    options: Pick<ResolveOptions, 'signal'> = {},
  ): Promise<{ readonly source: BlobSource; readonly size: number }> {
    const session = await this.#open(repository, options.signal);
    const { headers } = await this.#ask(session, false, (endpoint) => ({
      url: blobURL(endpoint, session.reference.path, digest),
      what: `blob ${digest}`,
      limit: 0,
      method: 'HEAD',
    }));
    const size = Number(headers['content-length'] ?? Number.NaN);
    if (!Number.isSafeInteger(size)) {
      throw new GantryError('ERR_REGISTRY', `blob ${digest}: expected a content-length, found none`);
    }
    return { source: await this.#source(session), size };
  }

  /** Ends kept connections. */
  close(): void {
    this.#http.close();
  }

  async #open(asked: Reference, signal: AbortSignal | undefined): Promise<Session> {
    const reference = pullReference(asked);
    const endpoints = await this.#hosts.endpoints(reference);
    const authorizer = new Authorizer(emptyAuthState(), {
      ...this.#options,
      lookup: (host, repository) => this.#credentials.get(host, repository),
    });
    const what = familiarString(reference);
    return { reference, what, endpoints, unreachable: new Set(), authorizer, signal };
  }

  /** The top document, or the one an index's entry describes. */
  async #manifest(session: Session, entry?: Descriptor): Promise<Fetched> {
    const { reference, what } = session;
    const asked = entry?.digest ?? reference.digest;
    if (entry !== undefined) checkSize(what, entry, LIMITS.manifestBytes);
    const response = await this.#ask(
      session,
      asked === undefined,
      (endpoint) => manifestRequest(session, endpoint, asked ?? tagOrDigest(reference)),
      ({ body, headers, url }) => {
        const told = asked ?? headers['docker-content-digest'];
        if (told !== undefined) {
          checkDigest(
            `${what}: manifest of ${url.host}`,
            body,
            parseDigest(told, `${what}: Docker-Content-Digest`),
          );
        }
        if (entry !== undefined && body.length !== entry.size) throw wrongSize(what, entry, body.length);
      },
    );
    const { body, headers } = response;
    const document = readManifestDocument(body, headers['content-type'] ?? '', what, entry);
    const told = headers['docker-content-digest'];
    const digest = asked ?? (told === undefined ? digestOf(body) : parseDigest(told));
    return { digest, document, body };
  }

  async #config(session: Session, descriptor: Descriptor): Promise<Buffer> {
    const what = `${session.what}: image config`;
    checkSize(what, descriptor, LIMITS.configBytes);
    const { body } = await this.#ask(
      session,
      false,
      (endpoint) => ({
        url: blobURL(endpoint, session.reference.path, descriptor.digest),
        what,
        limit: descriptor.size,
      }),
      (response) => {
        if (response.body.length !== descriptor.size) throw wrongSize(what, descriptor, response.body.length);
        checkDigest(what, response.body, descriptor.digest);
      },
    );
    return body;
  }

  /** Workers cannot look logins up; endpoints that did not answer are their last choice. */
  async #source(session: Session): Promise<BlobSource> {
    const { authorizer, unreachable, reference } = session;
    const pulling = session.endpoints.filter(({ capabilities }) => capabilities.pull);
    const endpoints = [
      ...pulling.filter((endpoint) => !unreachable.has(endpoint)),
      ...pulling.filter((endpoint) => unreachable.has(endpoint)),
    ];
    await authorizer.prepare(endpoints, reference.path);
    const { userAgent } = this.#options;
    return { endpoints, repository: reference.path, auth: authorizer.state(), userAgent };
  }

  /** Asks endpoints in order until one answers with 2xx and passes `check`; the last one's error is thrown. */
  async #ask(
    session: Session,
    byTag: boolean,
    request: (endpoint: Endpoint) => HttpRequest,
    check: (response: HttpResponse) => void = () => {},
  ): Promise<HttpResponse> {
    const able = session.endpoints.filter(({ capabilities }) =>
      byTag ? capabilities.resolve : capabilities.pull,
    );
    const failures: GantryError[] = [];
    for (const [i, endpoint] of able.entries()) {
      const last = i === able.length - 1;
      if (!last && session.unreachable.has(endpoint)) continue;
      try {
        const response = await authorized(
          { http: this.#http, endpoint, repository: session.reference.path, ...session },
          { ...request(endpoint), ...(!last && { attempts: MIRROR_ATTEMPTS }) },
        );
        check(response);
        return response;
      } catch (error) {
        if (!(error instanceof GantryError) || error.code === 'ERR_CANCELED') throw error;
        if (isGantryError(error, 'ERR_NETWORK', 'ERR_TIMEOUT')) session.unreachable.add(endpoint);
        failures.push(error);
      }
    }
    const error = failures.at(-1);
    if (error === undefined) {
      throw new GantryError('ERR_REGISTRY', `${session.what}: no endpoint is configured to answer for it`);
    }
    if (failures.length === 1) throw error;
    const mirrors = failures.slice(0, -1).map(({ message }) => message);
    throw new GantryError(error.code, error.message, { ...error.details, mirrors }, { cause: error.cause });
  }
}

const tagOrDigest = ({ tag, digest }: Reference): string => digest ?? tag!;

const manifestRequest = (session: Session, endpoint: Endpoint, reference: string): HttpRequest => ({
  url: manifestURL(endpoint, session.reference.path, reference),
  what: `manifest of ${session.what}`,
  headers: { accept: MANIFEST_ACCEPT },
  limit: LIMITS.manifestBytes,
});
