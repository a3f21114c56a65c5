import { appendFileSync, mkdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { convertLog, keepShimLog } from '../../src/runtime/log-conversion.js';
import { dockerLine } from '../../src/runtime/log-lines.js';
import { LogReader } from '../../src/runtime/log-reader.js';
import { shimLogWriter } from '../../src/runtime/shim-log-writer.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';

const line = (text: string, tag = 'F', time = '2024-05-01T12:00:00.5+02:00') =>
  `${time} stdout ${tag} ${text}\n`;

describe("conmon's lines", () => {
  const convert = (text: string | Buffer) => JSON.parse(dockerLine(Buffer.from(text), {})?.text || 'null');

  it("become Docker's, in UTC with every digit", () => {
    expect(convert('2024-05-01T12:00:00.123456789+02:00 stderr F a "b"')).toEqual({
      log: 'a "b"\n',
      stream: 'stderr',
      time: '2024-05-01T10:00:00.123456789Z',
    });
    expect(convert('2024-01-01T00:00:00+01:00 stdout P x')).toMatchObject({
      log: 'x',
      time: '2023-12-31T23:00:00Z',
    });
    expect(convert('2024-01-01T00:00:00Z stdout F ')).toMatchObject({ log: '\n' });
    expect(dockerLine(Buffer.from('nonsense'), {})).toBeUndefined();
  });

  it('carry a cut character over to the next of the stream', () => {
    const bytes = Buffer.from('é€😀');
    for (let cut = 0; cut <= bytes.length; cut++) {
      const head = Buffer.from('2024-01-01T00:00:00Z stdout P ');
      const first = dockerLine(Buffer.concat([head, bytes.subarray(0, cut)]), {})!;
      const other = dockerLine(Buffer.from('2024-01-01T00:00:00Z stderr F x'), first.carry)!;
      const last = dockerLine(
        Buffer.concat([Buffer.from('2024-01-01T00:00:00Z stdout F '), bytes.subarray(cut)]),
        other.carry,
      )!;
      const logs = [first.text, last.text].map((text) => (text === '' ? '' : JSON.parse(text).log));
      expect(logs.join('')).toBe('é€😀\n');
      expect(last.carry).toEqual({});
    }
  });
});

describe('a log', () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let container: string;
  beforeEach(() => {
    directory = temporaryDirectory();
    container = join(directory.path, 'c');
    mkdirSync(container);
  });
  afterEach(() => directory.remove());

  const limits = { maxSize: 1000, maxFile: 3 };
  const path = (name: string) => join(container, name);
  const shim = (text: string) => appendFileSync(path('shim.log'), text);
  const json = (age = '') => path(`${basename(container)}-json.log${age}`);
  const logs = () => new LogReader(container).next().map(({ log }) => log.trimEnd());

  it('is converted once, however often, and a line that is being written later', () => {
    shim(line('one') + line('two').slice(0, -4));
    for (let i = 0; i < 3; i++) convertLog(container, limits);
    expect(logs()).toEqual(['one']);
    shim(line('two').slice(-4));
    convertLog(container, limits);
    expect(logs()).toEqual(['one', 'two']);
  });

  it('takes up what was appended by one who was killed', () => {
    shim(line('one'));
    convertLog(container, limits);
    const before = readFileSync(path('log-position.json'));
    shim(line('two') + line('three'));
    convertLog(container, limits);
    writeFileSync(path('log-position.json'), before); // as if killed before it was replaced
    appendFileSync(json(), '{"log":"ha');
    convertLog(container, limits);
    expect(logs()).toEqual(['one', 'two', 'three']);
  });

  it.each([0, 20, 80, 1000])('takes up %i bytes of it', (bytes) => {
    shim(line('one'));
    convertLog(container, limits);
    const before = readFileSync(path('log-position.json'));
    const size = readFileSync(json()).length;
    shim(line('two') + line('three'));
    convertLog(container, limits);
    writeFileSync(path('log-position.json'), before);
    truncateSync(json(), Math.min(size + bytes, readFileSync(json()).length));
    shim(line('four'));
    convertLog(container, limits);
    expect(logs()).toEqual(['one', 'two', 'three', 'four']);
  });

  it('keeps what a dockerd appended, also after one who was killed', () => {
    const theirs = (log: string) =>
      appendFileSync(json(), `${JSON.stringify({ log, stream: 'stdout', time: '2024' })}\n`);
    shim(line('one'));
    convertLog(container, limits);
    theirs('theirs');
    convertLog(container, limits);
    shim(line('two'));
    convertLog(container, limits);
    expect(logs()).toEqual(['one', 'theirs', 'two']);
    const before = readFileSync(path('log-position.json'));
    shim(line('three'));
    convertLog(container, limits);
    writeFileSync(path('log-position.json'), before);
    theirs('again');
    convertLog(container, limits);
    shim(line('four'));
    convertLog(container, limits);
    expect(logs()).toEqual(['one', 'theirs', 'two', 'three', 'again', 'four']);
  });

  it('goes on with the rest of a file that conmon has replaced', () => {
    shim(line('one'));
    keepShimLog(container);
    convertLog(container, limits);
    shim(line('two'));
    writeFileSync(path('shim.log.tmp'), '');
    renameSync(path('shim.log.tmp'), path('shim.log'));
    shim(line('three'));
    convertLog(container, limits);
    convertLog(container, limits);
    expect(logs()).toEqual(['one', 'two', 'three']);
  });

  it('is rotated within its bound, also where a rotation was killed half way; a reader follows', () => {
    const reader = new LogReader(container);
    const seen: string[] = [];
    const text = 'x'.repeat(100);
    for (let i = 0; i < 40; i++) {
      shim(line(`${i} ${text}`));
      if (i === 25) renameSync(json('.1'), json('.2')); // .1 is missing: as if killed between two renames
      convertLog(container, limits);
      seen.push(...reader.next().map(({ log }) => log.split(' ')[0]!));
    }
    expect(seen.sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 40 }, (_, i) => String(i)),
    );
    const kept = logs().map((entry) => Number(entry.split(' ')[0]));
    expect(kept.at(-1)).toBe(39);
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => 40 - kept.length + i));
    expect(kept.length).toBeGreaterThan(10);
    for (const age of ['', '.1', '.2']) expect(readFileSync(json(age)).length).toBeLessThan(1200);
    expect(() => readFileSync(json('.3'))).toThrow('ENOENT');
  });

  it('keeps one file where only one is wanted', () => {
    for (let i = 0; i < 30; i++) shim(line(`${i} ${'y'.repeat(100)}`));
    convertLog(container, { maxSize: 1000, maxFile: 1 });
    expect(logs().at(-1)).toMatch(/^29 /);
    expect(readFileSync(json()).length).toBeLessThan(1200);
    expect(() => readFileSync(json('.1'))).toThrow('ENOENT');
  });
});

describe('what writes in place of conmon', () => {
  it('bounds its file, and the conversion loses nothing that it makes in time', () => {
    const directory = temporaryDirectory();
    try {
      const log = shimLogWriter(directory.path, 1000);
      for (let i = 0; i < 50; i++) {
        log.write(i % 2 ? 'stdout' : 'stderr', Buffer.from(`line ${i}\n`));
        if (i % 10 === 0) convertLog(directory.path, { maxSize: 1e6, maxFile: 2 });
      }
      log.write('stdout', Buffer.from('a\nb\nno newline'));
      expect(log.close()).toBe(true);
      convertLog(directory.path, { maxSize: 1e6, maxFile: 2 });
      const text = new LogReader(directory.path).next().map((entry) => entry.log);
      expect(text.join('')).toBe(
        `${Array.from({ length: 50 }, (_, i) => `line ${i}\n`).join('')}a\nb\nno newline`,
      );
      expect(readFileSync(join(directory.path, 'shim.log')).length).toBeLessThan(1100);
      expect(shimLogWriter('/nowhere', 1).close()).toBe(false);
      shimLogWriter('/nowhere', 1).write('stdout', Buffer.from('lost'));
    } finally {
      directory.remove();
    }
  });
});
