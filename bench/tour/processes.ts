/** Processes as /proc shows them: the tree under a pid, and the memory limit of the control group one is in. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Process {
  readonly pid: number;
  readonly name: string;
  readonly command: string;
  readonly children: readonly Process[];
}

export function parentOf(pid: number): number {
  const stat = readOr(`/proc/${pid}/stat`);
  // The name may hold spaces and brackets, so fields are counted from the last one: ") S PPID …".
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

export function processTree(pid: number): Process {
  const parents = new Map<number, number[]>();
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const parent = parentOf(Number(entry));
    parents.set(parent, [...(parents.get(parent) ?? []), Number(entry)]);
  }
  const build = (id: number): Process => ({
    pid: id,
    name: readOr(`/proc/${id}/comm`).trim(),
    command: readOr(`/proc/${id}/cmdline`).replaceAll('\0', ' ').trim(),
    children: (parents.get(id) ?? []).map(build),
  });
  return build(pid);
}

/** As `pstree -pa` draws it. */
export function drawTree(process: Process, indent = ''): string[] {
  const command = process.command.length > 80 ? `${process.command.slice(0, 79)}…` : process.command;
  const line = `${indent}${process.name}(${process.pid})  ${command}`;
  return [line, ...process.children.flatMap((child) => drawTree(child, `${indent}  └─`))];
}

/** The file that holds the memory limit of the process's group, on cgroup v1 (memory controller) or v2. */
export function memoryLimit(pid: number): { file: string; bytes: string } | undefined {
  for (const line of readOr(`/proc/${pid}/cgroup`).trim().split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const files =
      controllers === ''
        ? [`/sys/fs/cgroup${path}/memory.max`]
        : controllers?.split(',').includes('memory')
          ? [join('/sys/fs/cgroup/memory', path!, 'memory.limit_in_bytes')]
          : [];
    for (const file of files) if (existsSync(file)) return { file, bytes: readOr(file).trim() };
  }
  return undefined;
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
