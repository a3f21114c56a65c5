/**
 * Docker's `--format`, compared with what docker 28.2.2 printed for the same document and template. Deviations that are
 * meant: no define/template/block, break/continue, html/js/urlquery/call; numbers have one type.
 */
import { describe, expect, it } from 'vitest';
import { compile } from '../../src/cli/render/template/evaluate.js';
import { fromJson } from '../../src/cli/render/template/print.js';

const DOCUMENT = {
  Id: 'sha256:591240c5',
  Size: 1982280,
  Os: 'linux',
  Architecture: 'amd64',
  Config: {
    User: '',
    Tty: false,
    Env: ['A=1', 'B=2'],
    Cmd: ['/bin/sh'],
    Entrypoint: null,
    OnBuild: null,
    Healthcheck: undefined,
    Volumes: { '/data': {} },
    Labels: { tier: 'cache', app: 'web' },
  },
  RootFS: { Type: 'layers', Layers: ['sha256:11d3e3', 'sha256:3f2326'] },
  GraphDriver: { Data: { UpperDir: '/u', WorkDir: '/w' }, Name: 'overlay2' },
};
const render = (template: string): string => compile(template)(fromJson(DOCUMENT));

describe('a template that docker accepts', () => {
  it.each([
    ['{{.Id}}', 'sha256:591240c5'],
    ['plain', 'plain'],
    ['{{.GraphDriver.Data.UpperDir}}', '/u'],
    ['{{(.GraphDriver).Name}}', 'overlay2'],
    ['{{.Config.Env}}', '[A=1 B=2]'],
    ['{{.Config.Labels}}', 'map[app:web tier:cache]'],
    ['{{.Config.Volumes}}', 'map[/data:{}]'],
    ['{{.RootFS}}', '{layers [sha256:11d3e3 sha256:3f2326]}'],
    ['{{.Config.Cmd}} {{.Config.Entrypoint}} {{.Config.Healthcheck}}', '[/bin/sh] [] <nil>'],
    ['{{json .Config.Labels}}', '{"app":"web","tier":"cache"}'],
    ['{{json .Config.Entrypoint}}', 'null'],
    ['{{.Config.Env | json}}', '["A=1","B=2"]'],
    ['{{json "<a>&"}}', '"<a>&"'],
    ['{{index .Config.Env 0}}', 'A=1'],
    ['{{index .Config.Labels "app"}}', 'web'],
    ['{{index .Config.Labels "nope"}}', ''],
    ['{{.Config.Labels.app}}', 'web'],
    ['{{.Config.Labels.nope}}', '<no value>'],
    ['{{range .Config.Env}}{{.}};{{end}}', 'A=1;B=2;'],
    ['{{range $i, $v := .Config.Env}}{{$i}}={{$v}} {{end}}', '0=A=1 1=B=2 '],
    ['{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}', 'app=web tier=cache '],
    ['{{range $i, $_ := .Config.Env}}{{if $i}},{{end}}{{$i}}{{end}}', '0,1'],
    ['{{range .Config.OnBuild}}x{{else}}empty{{end}}', 'empty'],
    ['{{range 3}}x{{end}}', 'xxx'],
    ['{{len .Config.Env}}', '2'],
    ['{{.Config.Env | len | printf "%03d"}}', '002'],
    ['{{printf "%s|%d|%v|%q" .Os .Size .Config.Env .Architecture}}', 'linux|1982280|[A=1 B=2]|"amd64"'],
    ['{{printf "%5d|%-5s|%05.2f|%x|%t" 3 "a" 1.5 255 true}}', '    3|a    |01.50|ff|true'],
    ['{{printf "%d" .Os}}', '%!d(string=linux)'],
    ['{{printf "%s"}}', '%!s(MISSING)'],
    ['{{printf "%s" 5}}', '%!s(int=5)'],
    ['{{printf "%q" .Config.Env}}', '["A=1" "B=2"]'],
    ['{{printf "%.12s" .Id}}', 'sha256:59124'],
    ['{{ .Os | printf "%s-%s" "a" }}', 'a-linux'],
    ['{{join .Config.Env ","}}', 'A=1,B=2'],
    ['{{join (split "a,b" ",") "-"}}', 'a-b'],
    ['{{split .Os "n"}}', '[li ux]'],
    ['{{.Os | upper | title}} {{lower "AB"}} {{title "hello world"}}', 'LINUX ab Hello World'],
    ['{{pad .Os 2 3}}|{{truncate .Os 3}}', '  linux   |lin'],
    ['{{println .Os "x"}}', 'linux x\n'],
    ['{{print 1 2 "a" "b" 3}}', '1 2ab3'],
    ['{{slice .Os 0 2}}', 'li'],
    ['{{with .Config.User}}x{{else}}none{{end}}', 'none'],
    ['{{with $x := .Os}}{{$x}}{{end}}', 'linux'],
    ['{{with .Config}}{{$.Os}}{{end}}', 'linux'],
    ['{{if eq .Os "linux"}}L{{else}}W{{end}}', 'L'],
    ['{{if not .Config.User}}root{{end}}', 'root'],
    ['{{if .Config.User}}a{{else if .Id}}b{{else}}c{{end}}', 'b'],
    ['{{if and .Os .Config.User}}1{{else}}2{{end}} {{or "" "z"}} {{and 1 0 2}}', '2 z 0'],
    [
      '{{lt 1 2}} {{ne "a" "b"}} {{not true}} {{eq 1 2 1}} {{le 1 1}} {{ge 1 2}}',
      'true true false true true false',
    ],
    ['{{$x := 1}}{{range .Config.Env}}{{$x = .}}{{end}}{{$x}}', 'B=2'],
    ['{{.Os}}{{/* c */}}{{- " x " -}}   y', 'linux x y'],
    [
      '{{"a\\tb"}} {{`raw`}} {{\'a\'}} {{-3}} {{- 3 -}} {{1.5}} {{1e3}} {{true}} {{0x10}}',
      'a\tb raw 97 -331.5 1000 true 16',
    ],
    ['{{ \n.Os }}', 'linux'],
    ['{{printf "%v" nil}}', '<nil>'],
  ])('%s', (template, expected) => {
    expect(render(template)).toBe(expected);
  });
});

describe('a template that docker refuses', () => {
  it.each([
    ['{{nope .Os}}', ':1: function "nope" not defined'],
    ['{{.Os', ':1: unclosed action'],
    ['{{if .Os}}', ':1: unexpected EOF'],
    ['{{end}}', ':1: unexpected {{end}}'],
    ['{{else}}', ':1: unexpected {{else}}'],
    ['{{$y}}', ':1: undefined variable "$y"'],
    ['{{"unterminated}}', ':1: unterminated quoted string'],
    ['{{.Config.Env.[0]}}', ":1: bad character U+005B '['"],
    ['{{.Foo}}', ':1:2: executing "" at <.Foo>: map has no entry for key "Foo"'],
    ['{{.Config.Foo}}', ':1:9: executing "" at <.Config.Foo>: map has no entry for key "Foo"'],
    ['{{json .Nope}}', ':1:7: executing "" at <.Nope>: map has no entry for key "Nope"'],
    ['{{.Os.Foo}}', `:1:5: executing "" at <.Os.Foo>: can't evaluate field Foo in type interface {}`],
    [
      '{{index .Config.Env 9}}',
      ':1:2: executing "" at <index .Config.Env 9>: error calling index: index out of range: 9',
    ],
    ['{{eq .Os 1}}', ':1:2: executing "" at <eq .Os 1>: error calling eq: incompatible types for comparison'],
    ['{{lower 5}}', ':1:8: executing "" at <5>: expected string; found 5'],
    ['{{upper}}', ':1:2: executing "" at <upper>: wrong number of args for upper: want 1 got 0'],
    ['{{range .Os}}x{{end}}', `:1:8: executing "" at <.Os>: range can't iterate over linux`],
    ['{{len 5}}', ':1:2: executing "" at <len 5>: error calling len: len of type int'],
    ['{{.Os "x"}}', ':1:2: executing "" at <.Os>: Os is not a method but has arguments'],
    ['{{nil}}', ':1:2: executing "" at <nil>: nil is not a command'],
  ])('%s', (template, expected) => {
    expect(() => render(template)).toThrow(`template parsing error: template: ${expected}`);
  });
});
