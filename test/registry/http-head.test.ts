import { describe, expect, it } from 'vitest';
import { bodyReader } from '../../src/registry/http-body.js';
import { contentLength, type Head, HeadReader } from '../../src/registry/http-head.js';

/** Parses `text` cut at `cut`; a body starts with the rest of the piece in which the head ended. */
function parse(text: string, cut = text.length): { head: Head; rest: string } {
  const bytes = Buffer.from(`....${text}`, 'latin1');
  const reader = new HeadReader();
  let from = 4;
  for (const to of [4 + cut, bytes.length]) {
    const at = reader.push(bytes, from, to);
    if (at >= 0) return { head: reader.head!, rest: bytes.toString('latin1', at) };
    from = to;
  }
  throw new Error('incomplete');
}

const head = (lines: string): Head => parse(`HTTP/1.1 200 OK\r\n${lines}\r\n\r\n`).head;
const refusal = expect.objectContaining({ code: 'ERR_REGISTRY' });

describe('HeadReader', () => {
  const text =
    'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 206 Partial\r\nContent-LENGTH:  5 \r\nX-A: 1\r\nX-a: 2\r\nEmpty:\r\n\r\nhello';

  it('reads status, fields and the start of the body, wherever the reads cut', () => {
    for (let cut = 0; cut <= text.length; cut++) {
      const { head, rest } = parse(text, cut);
      expect(head.status).toBe(206);
      expect([...head.headers]).toEqual([
        ['content-length', '5'],
        ['x-a', '1, 2'],
        ['empty', ''],
      ]);
      expect(rest).toBe('hello');
    }
  });

  it.each([
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
    ['HTTP/2', 'HTTP/2 200\r\n\r\n'],
    ['a folded line', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n'],
    ['a name with a space', 'HTTP/1.1 200 OK\r\nA : b\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n'],
    ['a head without end', `HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(20_000)}`],
  ])('refuses %s', (_, text) => {
    expect(() => parse(text)).toThrow(refusal);
  });

  it('reads Content-Length unless a transfer coding overrides it', () => {
    expect(contentLength(head('Content-Length: 5\r\nContent-Length: 5'))).toBe(5);
    expect(contentLength(head('Content-Length: 5\r\nTransfer-Encoding: chunked'))).toBeUndefined();
    expect(contentLength(head('A: b'))).toBeUndefined();
    for (const bad of ['-1', '5x', '1e3', '99999999999999999999']) {
      expect(() => contentLength(head(`Content-Length: ${bad}`))).toThrow(refusal);
    }
  });
});

describe('bodyReader', () => {
  function read(fields: string, text: string, cut = text.length) {
    const out: string[] = [];
    const body = bodyReader(head(fields), (bytes, start, end) =>
      out.push(Buffer.from(bytes).toString('latin1', start, end)),
    );
    const bytes = Buffer.from(text, 'latin1');
    body.push(bytes, 0, cut);
    if (!body.complete) body.push(bytes, cut, bytes.length);
    return { body, text: out.join('') };
  }

  it('ends after Content-Length bytes', () => {
    const { body, text } = read('Content-Length: 5', 'hello, and more', 3);
    expect([text, body.complete]).toEqual(['hello', true]);
    expect(() => read('Content-Length: 5', 'hell').body.closed()).toThrow(/1 of 5 bytes missing/);
  });

  it('without a length, ends when the connection closes', () => {
    const { body, text } = read('A: b', 'hello');
    expect([text, body.complete]).toEqual(['hello', false]);
    body.closed();
  });

  it('reads chunks, extensions and trailers, wherever the reads cut', () => {
    const wire = '5;name="a"\r\nhello\r\nA \r\n, you ther\r\n1\r\ne\r\n0\r\nX-Sum: 1\r\n\r\nsurplus';
    for (let cut = 0; cut <= wire.length; cut++) {
      const { body, text } = read('Transfer-Encoding: Chunked', wire, cut);
      expect([text, body.complete]).toEqual(['hello, you there', true]);
    }
    expect(() => read('Transfer-Encoding: chunked', '5\r\nhello\r\n').body.closed()).toThrow(/last chunk/);
  });

  it.each(['x\r\n', '-5\r\nhello', '5\r\nhello!\r\n', `5;${'x'.repeat(5000)}`, 'fffffffffffffff\r\n'])(
    'refuses the chunk %j',
    (wire) => {
      expect(() => read('Transfer-Encoding: chunked', wire)).toThrow(refusal);
    },
  );

  it('refuses other transfer codings', () => {
    expect(() => read('Transfer-Encoding: gzip, chunked', '')).toThrow(refusal);
  });
});
