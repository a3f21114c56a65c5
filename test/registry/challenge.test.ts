import { expect, test } from 'vitest';
import { parseChallenges } from '../../src/registry/challenge.js';

const parsed = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

test.each([
  ['Basic realm="x"', [['basic', { realm: 'x' }]]],
  ['Basic', [['basic', {}]]],
  [
    'Basic, Bearer realm=r',
    [
      ['basic', {}],
      ['bearer', { realm: 'r' }],
    ],
  ],
  [
    'Bearer realm="https://a.io/token?x=1",service="reg",scope="repository:a/b:pull,push"',
    [['bearer', { realm: 'https://a.io/token?x=1', service: 'reg', scope: 'repository:a/b:pull,push' }]],
  ],
  [
    'Bearer realm="a", scope="x:y:pull,push" , Basic realm="b, c=d"',
    [
      ['bearer', { realm: 'a', scope: 'x:y:pull,push' }],
      ['basic', { realm: 'b, c=d' }],
    ],
  ],
  ['BEARER Realm = "a\\"b\\\\c" ,service=plain', [['bearer', { realm: 'a"b\\c', service: 'plain' }]]],
  [
    'Negotiate abc==, Basic realm="x"',
    [
      ['negotiate', {}],
      ['basic', { realm: 'x' }],
    ],
  ],
  [
    'Negotiate, NTLM',
    [
      ['negotiate', {}],
      ['ntlm', {}],
    ],
  ],
  [', ,Basic realm=""', [['basic', { realm: '' }]]],
  ['Bearer realm="unterminated', [['bearer', {}]]],
  ['', []],
  ['="', []],
])('%s', (header, expected) => {
  expect(parsed(header)).toEqual(expected);
});

test('a hostile header takes no noticeable time', () => {
  const before = performance.now();
  parseChallenges(`Bearer ${'a '.repeat(4000)}${'b="\\'.repeat(4000)}`);
  parseChallenges(`Bearer realm="${'\\"'.repeat(8000)}`);
  expect(performance.now() - before).toBeLessThan(500);
});
