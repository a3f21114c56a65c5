/** Where a built worker thread's file is. */
import { builtFile } from './built-file.js';

/** ERR_INTERNAL when it is not built. */
export const workerFile = (name: string): string => builtFile(`workers/${name}.js`);
