/** Media types of image-spec v1.1 and of Docker's image manifest v2 schema 2, and what gantry does with each. */

export const MEDIA_TYPE = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
  schema1: 'application/vnd.docker.distribution.manifest.v1+json',
  schema1Signed: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
} as const;

/** What a manifest request accepts, in one list (FORMATS §B2). */
export const MANIFEST_ACCEPT = [
  MEDIA_TYPE.ociIndex,
  MEDIA_TYPE.dockerList,
  MEDIA_TYPE.ociManifest,
  MEDIA_TYPE.dockerManifest,
].join(', ');

export const isIndexType = (type: string): boolean =>
  type === MEDIA_TYPE.ociIndex || type === MEDIA_TYPE.dockerList;
export const isManifestType = (type: string): boolean =>
  type === MEDIA_TYPE.ociManifest || type === MEDIA_TYPE.dockerManifest;
export const isConfigType = (type: string): boolean =>
  type === MEDIA_TYPE.ociConfig || type === MEDIA_TYPE.dockerConfig;
export const isSchema1Type = (type: string): boolean =>
  type === MEDIA_TYPE.schema1 || type === MEDIA_TYPE.schema1Signed;

export type LayerCompression = 'none' | 'gzip' | 'zstd';
/** lz4 has no media type: it is met in archives alone. */
export type Compression = LayerCompression | 'lz4';

const LAYER_COMPRESSION: Readonly<Record<string, LayerCompression>> = {
  [MEDIA_TYPE.ociLayer]: 'none',
  [MEDIA_TYPE.ociLayerGzip]: 'gzip',
  [MEDIA_TYPE.ociLayerZstd]: 'zstd',
  [MEDIA_TYPE.dockerLayer]: 'none',
  [MEDIA_TYPE.dockerLayerGzip]: 'gzip',
  [MEDIA_TYPE.dockerLayerZstd]: 'zstd',
};

/** The OCI media type of a layer's blob. */
export const LAYER_TYPE: Readonly<Record<LayerCompression, string>> = {
  none: MEDIA_TYPE.ociLayer,
  gzip: MEDIA_TYPE.ociLayerGzip,
  zstd: MEDIA_TYPE.ociLayerZstd,
};

/** The compression a layer's media type declares; undefined for foreign and unknown types, which are refused. */
export const layerCompression = (type: string): LayerCompression | undefined => LAYER_COMPRESSION[type];
