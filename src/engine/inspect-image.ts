/** Docker's image document (`docker image inspect`, Engine API `ImageInspect`): field names and their order are theirs. */
import { chainIDsOf } from '../core/digest/digest.js';
import { imageSize, resolveImage } from './image-index.js';
import type { Store } from './store.js';

const ZERO_TIME = '0001-01-01T00:00:00Z';

/** The document of one image. Throws ERR_NOT_FOUND, ERR_AMBIGUOUS, ERR_STORE_CORRUPT. */
export function inspectImage(store: Store, text: string) {
  const id = resolveImage(store, text);
  const image = store.images.get(id)!;
  const names = store.tags.of(id).map((entry) => entry.reference);
  const { config } = image;
  const diffIDs = config.rootfs.diff_ids ?? [];
  const top = chainIDsOf(diffIDs).at(-1);
  const layer = top === undefined ? undefined : store.layers.get(top);
  const size = imageSize(store, image);
  const textOf = (field: string): string => (typeof config[field] === 'string' ? config[field] : '');
  return {
    Id: id,
    RepoTags: names.filter((name) => !name.includes('@')),
    RepoDigests: names.filter((name) => name.includes('@')),
    Parent: image.parent ?? '',
    Comment: textOf('comment') || (config.history?.at(-1)?.comment ?? ''),
    Created: config.created ?? ZERO_TIME,
    DockerVersion: textOf('docker_version'),
    Author: config.author ?? '',
    Config: imageSettings(config.config ?? {}),
    Architecture: config.architecture,
    // Not there unless the image says so, as with docker; a template finds it all the same.
    Variant: config.variant,
    Os: config.os,
    Size: size,
    VirtualSize: size,
    GraphDriver: {
      Data: layer === undefined ? null : store.driver.data(layer.cacheID),
      Name: store.driver.name,
    },
    RootFS: { Type: 'layers', Layers: diffIDs },
    Metadata: { LastTagTime: image.lastUpdated ?? ZERO_TIME },
  };
}

export type ImageDocument = ReturnType<typeof inspectImage>;

/** The config with every field of Docker's container settings, because scripts ask for those the image left out. */
function imageSettings(config: Readonly<Record<string, unknown>>) {
  return {
    Hostname: '',
    Domainname: '',
    User: '',
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    ExposedPorts: undefined,
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Env: null,
    Cmd: null,
    Healthcheck: undefined,
    Image: '',
    Volumes: null,
    WorkingDir: '',
    Entrypoint: null,
    OnBuild: null,
    Labels: null,
    StopSignal: undefined,
    Shell: undefined,
    ...config,
  };
}
