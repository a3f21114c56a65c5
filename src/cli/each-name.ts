/** Does the same to each name of a command line; one failure is told and does not stop the others. */
import { renderError } from './render/error.js';
import type { Session } from './session.js';

/** Prints a line for each that worked: the name, or what `line` makes of it. The exit status is 1 when one failed. */
export async function eachName<T>(
  session: Session,
  names: readonly string[],
  act: (name: string) => Promise<T>,
  line: (name: string, result: T) => string | undefined = (name) => name,
): Promise<void> {
  for (const name of names) {
    try {
      const text = line(name, await act(name));
      if (text !== undefined) session.out(`${text}\n`);
    } catch (error) {
      session.err(renderError(error, session.debug));
      session.exitCode = 1;
    }
  }
}

/** Shows what is found, as a JSON array or by a template, and then tells what is not: `docker … inspect`. */
export async function inspectEach(
  session: Session,
  names: readonly string[],
  format: string | undefined,
  inspect: (name: string) => unknown,
): Promise<void> {
  const { renderObject } = await import('./render/object.js');
  const found: unknown[] = [];
  const errors: unknown[] = [];
  for (const name of names) {
    try {
      found.push(await inspect(name));
    } catch (error) {
      errors.push(error);
    }
  }
  session.out(
    format
      ? found.map((document) => renderObject(document, format)).join('')
      : `${JSON.stringify(found, null, 4)}\n`,
  );
  for (const error of errors) session.err(renderError(error, session.debug));
  if (errors.length > 0) session.exitCode = 1;
}
