/** `gantry login [OPTIONS] [SERVER]` and `gantry logout [SERVER]`: logins that docker and podman share. */
import { addAbortSignal, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { GantryError } from '../../core/errors.js';
import { VERSION } from '../../core/version.js';
import { command } from '../command.js';
import type { Session } from '../session.js';

interface Flags {
  readonly username?: string;
  readonly password?: string;
  readonly passwordStdin?: boolean;
}

export const loginCommand = (session: Session): Command =>
  command('login', 'Log in to a registry', '[OPTIONS] [SERVER]')
    .argument('[SERVER]')
    .option('-u, --username <string>', 'Username')
    .option('-p, --password <string>', 'Password')
    .option('--password-stdin', 'Take the password from stdin')
    .action(async (server: string | undefined, flags: Flags) => {
      const { checkLogin, registryHost, storeLogin } = await import('../../registry/login.js');
      const host = registryHost(server);
      const login = await credentials(session, flags);
      if (login.username === '') throw invalid('Non-null Username Required');
      if (login.password === '') throw invalid('Password Required');
      await checkLogin(host, login, { userAgent: VERSION, signal: session.signal });
      const { file, helper } = await storeLogin(host, login, process.env);
      if (helper === undefined) {
        session.err(`WARNING! Your password will be stored unencrypted in ${file}.\n`);
      }
      session.out('Login Succeeded\n');
    });

export const logoutCommand = (session: Session): Command =>
  command('logout', 'Log out from a registry', '[SERVER]')
    .argument('[SERVER]')
    .action(async (server: string | undefined) => {
      const { registryHost, removeLogin } = await import('../../registry/login.js');
      const host = registryHost(server);
      const removed = await removeLogin(host, process.env);
      session.out(removed ? `Removing login credentials for ${host}\n` : `Not logged in to ${host}\n`);
    });

const invalid = (message: string): GantryError => new GantryError('ERR_INVALID_ARGUMENT', message);

async function credentials(
  session: Session,
  { username, password, passwordStdin }: Flags,
): Promise<{ readonly username: string; readonly password: string }> {
  if (passwordStdin) {
    if (password !== undefined) throw invalid('--password and --password-stdin are mutually exclusive');
    if (username === undefined) throw invalid('Must provide --username with --password-stdin');
    const typed = await text(addAbortSignal(session.signal, process.stdin)).catch(canceled);
    return { username, password: typed.replace(/\r?\n$/, '') };
  }
  if (password !== undefined) {
    session.err('WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n');
  }
  if ((username === undefined || password === undefined) && !process.stdin.isTTY) {
    throw invalid('cannot ask for a login: stdin is not a terminal; use --username and --password-stdin');
  }
  return {
    username: username ?? (await ask(session, 'Username: ', true)),
    password: password ?? (await ask(session, 'Password: ', false)),
  };
}

/** Asks on the terminal; what is typed is not shown where it is a secret. */
async function ask(session: Session, question: string, shown: boolean): Promise<string> {
  const silent = new Writable({ write: (_bytes, _encoding, done) => done() });
  const { createInterface } = await import('node:readline/promises');
  const lines = createInterface({
    input: process.stdin,
    output: shown ? process.stdout : silent,
    terminal: true,
  });
  if (!shown) session.out(question);
  // The terminal does not make a signal of Ctrl-C while it is read by keys.
  lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    return await lines.question(question, { signal: session.signal }).catch(canceled);
  } finally {
    lines.close();
    if (!shown) session.out('\n');
  }
}

function canceled(cause: unknown): never {
  throw new GantryError('ERR_CANCELED', 'login canceled', {}, { cause });
}
