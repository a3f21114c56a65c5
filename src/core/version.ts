/** gantry's version: the one of package.json, taken in when the bundle is made. */
import manifest from '../../package.json' with { type: 'json' };

export const VERSION: string = manifest.version;
