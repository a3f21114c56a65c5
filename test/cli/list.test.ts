import { describe, expect, it } from 'vitest';
import { renderList } from '../../src/cli/render/list.js';
import { table } from '../../src/cli/render/table.js';

const layout = { headers: { ID: 'IMAGE ID', Tag: 'TAG' }, columns: ['ID', 'Tag'] };
const rows = [
  { ID: '591240c5ba24', Tag: 'latest' },
  { ID: 'e874b6f87d38', Tag: '<none>' },
];

describe('a table', () => {
  it('pads to 10 at least and by 3, but not the last cell', () => {
    expect(
      table([
        ['TAG', 'REPOSITORY', 'SIZE'],
        ['a', 'longer-than-ten', '1B'],
      ]),
    ).toBe('TAG       REPOSITORY        SIZE\na         longer-than-ten   1B\n');
  });
});

describe('a list', () => {
  it('has the usual columns without a format', () => {
    expect(renderList(rows, layout)).toBe(
      'IMAGE ID       TAG\n591240c5ba24   latest\ne874b6f87d38   <none>\n',
    );
  });
  it('quiet is one field without a header', () => {
    expect(renderList(rows, { ...layout, only: 'ID' })).toBe('591240c5ba24\ne874b6f87d38\n');
  });
  it('json has sorted keys and Go’s escapes', () => {
    expect(renderList(rows.slice(1), { ...layout, format: 'json' })).toBe(
      '{"ID":"e874b6f87d38","Tag":"\\u003cnone\\u003e"}\n',
    );
  });
  it('a template makes a line each, with \\t and \\n read', () => {
    expect(renderList(rows, { ...layout, format: '{{.ID}}\\t{{upper .Tag}}' })).toBe(
      '591240c5ba24\tLATEST\ne874b6f87d38\t<NONE>\n',
    );
  });
  it('a table template has headers, untouched by functions', () => {
    expect(renderList(rows, { ...layout, format: 'table {{upper .Tag}}\\t{{.ID}}' })).toBe(
      'TAG       IMAGE ID\nLATEST    591240c5ba24\n<NONE>    e874b6f87d38\n',
    );
  });
  it('an unknown field is an error that names it', () => {
    expect(() => renderList(rows, { ...layout, format: '{{.Nope}}' })).toThrow('at <.Nope>');
  });
});
