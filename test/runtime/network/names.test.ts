import { describe, expect, it } from 'vitest';
import { withBlock } from '../../../src/runtime/network/names.js';

const block = (network: string, ...lines: string[]) =>
  `# containers on ${network}\n${lines.map((line) => `${line}\n`).join('')}# end of containers\n`;

describe('the names of a network in a hosts file', () => {
  it('come behind what is there, then take the place of their own block alone', () => {
    const first = withBlock('127.0.0.1\tlocalhost\n', 'a', block('a', '172.18.0.2\tdb'));
    expect(first).toBe(`127.0.0.1\tlocalhost\n${block('a', '172.18.0.2\tdb')}`);
    const two = `${withBlock(first, 'a.b', block('a.b', '172.19.0.2\tweb'))}1.2.3.4\town\n`;
    expect(withBlock(two, 'a', '')).toBe(
      `127.0.0.1\tlocalhost\n${block('a.b', '172.19.0.2\tweb')}1.2.3.4\town\n`,
    );
    expect(withBlock(two, 'a.b', block('a.b', '$&\tdb'))).toContain('$&\tdb');
  });

  it('take a moment beside a megabyte that a container wrote to make them slow', () => {
    const hostile = '# containers on a\n'.repeat(20_000) + '\n'.repeat(600_000);
    const started = performance.now();
    expect(withBlock(hostile, 'a', block('a'))).toBe(hostile + block('a'));
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
