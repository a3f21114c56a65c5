/** References to targets, over one registry client a command: its tokens, connections and probes are shared. */
import { VERSION } from '../core/version.js';
import { RegistryClient } from '../registry/client.js';
import { parsePlatform } from '../registry/platform.js';
import type { Reference } from '../registry/reference.js';
import { type PullTarget, targetOf } from './pull-target.js';

export interface Resolver {
  resolve(reference: Reference): Promise<PullTarget>;
  close(): void;
}

export async function openResolver(options: {
  readonly platform?: string;
  readonly signal?: AbortSignal;
}): Promise<Resolver> {
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const client = new RegistryClient({ userAgent: VERSION });
  return {
    resolve: async (reference) =>
      targetOf(reference, await client.resolve(reference, { platform, signal: options.signal })),
    close: () => client.close(),
  };
}
