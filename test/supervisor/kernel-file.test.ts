import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Fields } from '../../src/supervisor/fields.js';
import { KernelFile } from '../../src/supervisor/kernel-file.js';
import { KernelText, UNLIMITED } from '../../src/supervisor/kernel-text.js';
import { FakeKernel } from './fake-kernel.js';

let kernel: FakeKernel;
const text = new KernelText();
beforeEach(() => {
  kernel = new FakeKernel();
});
afterEach(() => kernel.close());

function read(content: string): KernelText {
  kernel.set('file', content);
  const file = KernelFile.open(kernel.at('file'))!;
  expect(file.read(text)).toBe(true);
  file.close();
  return text;
}

describe('a kernel file', () => {
  it('stays open and is read anew', () => {
    kernel.set('file', '12345\n');
    const file = KernelFile.open(kernel.at('file'))!;
    file.read(text);
    expect(text.onlyNumber()).toBe(12345);
    kernel.set('file', '7\n');
    file.read(text);
    expect(text.onlyNumber()).toBe(7);
    file.close();
  });

  it('that is not there is none; one that may not be read is an error', () => {
    expect(KernelFile.open(kernel.at('none'))).toBeUndefined();
    expect(() => KernelFile.open(`${kernel.path}/\0`)).toThrow(
      expect.objectContaining({ code: 'ERR_SYSCALL' }),
    );
  });

  it('may be larger than the buffer', () => {
    const lines = Array.from({ length: 9000 }, (_, at) => `name${at} ${at}\n`).join('');
    const fields = new Fields('name0', 'name8999');
    const fresh = new KernelText();
    kernel.set('file', lines);
    const file = KernelFile.open(kernel.at('file'))!;
    file.read(fresh);
    file.close();
    fields.read(fresh);
    expect(fresh.length).toBe(lines.length);
    expect(fields.required('name8999', fresh)).toBe(8999);
  });
});

describe('numbers', () => {
  it.each([
    ['0\n', 0],
    ['9007199254740991', 2 ** 53 - 1],
    ['9223372036854771712\n', 2 ** 63 - 4096],
    ['max\n', UNLIMITED],
  ])('%j', (content, value) => expect(read(content).onlyNumber()).toBe(value));

  it.each(['', '\n', '-1\n', 'maximum\n', '12a\n', '1.5\n'])(
    '%j is an error that names the file',
    (content) => {
      expect(() => read(content).onlyNumber()).toThrow(`${kernel.at('file')}: expected a number, found`);
    },
  );
});

describe('named numbers', () => {
  const fields = new Fields('user', 'oom_kill');
  it('are found among others, in any order', () => {
    fields.read(read('oom 5\n\noom_kill 2\nuser_usec 9\nuser 1'));
    expect(fields.required('user', text)).toBe(1);
    expect(fields.required('oom_kill', text)).toBe(2);
  });
  it('are not those of the file before', () => {
    fields.read(read('other 1\n'));
    expect(fields.optional('user')).toBeUndefined();
    expect(() => fields.required('user', text)).toThrow(`${kernel.at('file')}: expected a line "user"`);
  });
  it.each(['user x\n', 'user\n', 'user \nuser 1\n'])('%j is malformed', (content) => {
    expect(() => fields.read(read(content))).toThrow(
      `${kernel.at('file')}: expected a number, found ${JSON.stringify(content.split('\n')[0])}`,
    );
  });
});
