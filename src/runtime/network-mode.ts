/**
 * HostConfig.NetworkMode: whose network namespace a container is in.
 *
 *   host              the caller's
 *   none              one of its own, with loopback alone
 *   container:<id>    that of another container; `<name|id>` until the container is made
 *   bridge, backend   one of its own, on networks
 */
export type NetworkMode =
  | { readonly kind: 'host' | 'none' | 'networks' }
  | { readonly kind: 'container'; readonly container: string };

const OTHER = 'container:';

/** Undefined where the HostConfig is lost. */
export function networkMode(text: string | undefined): NetworkMode {
  if (text === 'host' || text === 'none') return { kind: text };
  if (text?.startsWith(OTHER)) return { kind: 'container', container: text.slice(OTHER.length) };
  return { kind: 'networks' };
}

/** The text for another container's. */
export const containerMode = (id: string): string => `${OTHER}${id}`;
