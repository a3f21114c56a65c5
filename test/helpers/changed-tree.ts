/**
 * A tree under a real overlay mount, changed by real tools in every way that shows up in an upper directory:
 *
 *   <dir>/lower/  <dir>/upper/  <dir>/merged/       mounted as gantry mounts a container
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

export const LOWER = `
  mkdir -p etc kept wiped gone deep/er/dir became-file swap-dir links modes
  echo one >etc/conf; echo two >etc/other; ln -s conf etc/link; echo old >kept/old; echo x >kept/away
  echo w >wiped/w; mkdir wiped/sub; echo s >wiped/sub/s; echo g >gone/g; echo d >deep/er/dir/file
  echo b >became-file/b; echo d >became-dir; echo s >swap-dir/s; echo t >links/first; ln links/first links/second
  echo m >modes/mode; echo o >modes/owner; echo c >modes/touched; dd if=/dev/zero of=modes/big bs=1k count=300 status=none
  ln -s nowhere dangling; echo a >attributes`;

export const CHANGES = `
  echo more >>etc/conf; rm etc/other; ln -sf other etc/link
  rm kept/away; echo new >kept/new
  rm -r wiped; mkdir wiped; echo fresh >wiped/fresh; mkdir wiped/sub; echo again >wiped/sub/again
  rm -r gone; rm -r deep/er
  rm -r became-file; echo file >became-file; rm became-dir; mkdir became-dir; echo in >became-dir/in
  mv swap-dir/s moved; echo changed >links/second
  chmod 4751 modes/mode; chown 12:34 modes/owner; touch -d @1500000000.123456789 modes/touched
  dd if=/dev/urandom of=modes/big bs=1 seek=1000 count=1 conv=notrunc status=none
  rm dangling
  mkdir -p new/a/b/c; echo deep >new/a/b/c/file; : >new/empty; mkdir new/empty-dir
  mkdir new/attributes; setfattr -n user.on-dir -v yes new/attributes; chmod 2775 new/attributes
  echo x >new/attributes/file; setfattr -n user.binary -v 0x00ff610a new/attributes/file; setfattr -n user.empty new/attributes/file
  cp /bin/true new/attributes/capable; setcap cap_net_bind_service=ep new/attributes/capable
  setfattr -n user.changed -v 1 attributes
  echo inode >new/one; ln new/one new/two; mkdir new/other; ln new/one new/other/three; ln -s one new/symlink; ln new/symlink new/symlink2
  truncate -s 1M new/hole; printf middle | dd of=new/hole bs=1 seek=500000 conv=notrunc status=none; truncate -s 5M new/all-hole
  printf end | dd of=new/hole-then-end bs=1 seek=300000 conv=notrunc status=none; printf start >new/start-then-hole; truncate -s 400k new/start-then-hole
  mknod new/null c 1 3; mknod new/loop b 7 0; mkfifo new/fifo; chmod 1777 new/empty-dir
  printf '' >"new/$(printf 'new\\nline')"; echo b >"new/$(printf '\\377\\376')"; echo q >"new/ blank "; echo wh >new/a.wh.b
  l=$(printf 'l%.0s' $(seq 200)); mkdir -p "new/$l/$l"; echo long >"new/$l/$l/$l"; ln -s "$l/$l/$l" new/to-long
  touch -d @-100.5 new/before-epoch; touch -d @4500000000 new/after-2038; chown 3000000:4000000000 new/empty`;

export interface ChangedTree {
  readonly lower: string;
  readonly upper: string;
  readonly merged: string;
  run(script: string): void;
  unmount(): void;
}

/** Needs root. A socket stands at new/socket too, which no layer holds. */
export async function changedTree(dir: string): Promise<ChangedTree> {
  const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((name) =>
    join(dir, name),
  ) as [string, string, string, string];
  for (const path of [lower, upper, work, merged]) mkdirSync(path);
  const run = (script: string, cwd: string): void => {
    execFileSync('bash', ['-ec', script], { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
  };
  run(LOWER, lower);
  const options = `index=off,metacopy=off,redirect_dir=off,lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, merged]);
  run(CHANGES, merged);
  const server = createServer();
  await new Promise<void>((listening) => server.listen(join(merged, 'new/socket'), listening));
  return {
    lower,
    upper,
    merged,
    run: (script) => run(script, merged),
    unmount: () => {
      server.close();
      execFileSync('umount', ['-l', merged]);
    },
  };
}
