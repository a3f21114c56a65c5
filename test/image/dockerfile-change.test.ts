import { describe, expect, it } from 'vitest';
import { applyChanges } from '../../src/image/dockerfile-change.js';

const BASE = { Env: ['PATH=/bin', 'A=1'], Cmd: ['sh'], WorkingDir: '/srv', Labels: { a: 'old', b: 'kept' } };

describe('Dockerfile instructions on a config', () => {
  it.each<[string, object]>([
    ['CMD ["a", "b c"]', { Cmd: ['a', 'b c'] }],
    ['cmd echo $A "x"', { Cmd: ['/bin/sh', '-c', 'echo $A "x"'] }],
    ['CMD [not json]', { Cmd: ['/bin/sh', '-c', '[not json]'] }],
    ['ENTRYPOINT ["top"]', { Entrypoint: ['top'], Cmd: null }],
    ['ENTRYPOINT exec top', { Entrypoint: ['/bin/sh', '-c', 'exec top'], Cmd: null }],
    ['ENV A=2 B="two words" C=a\\ b D=\'$A\'', { Env: ['PATH=/bin', 'A=2', 'B=two words', 'C=a b', 'D=$A'] }],
    ['ENV B the rest  is "it"', { Env: ['PATH=/bin', 'A=1', 'B=the rest  is it'] }],
    [
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a Dockerfile's own
      'ENV PATH=$PATH:/x B=${A} C=${N:-no} D=${A:+yes} E="$A\\$A"',
      {
        Env: ['PATH=/bin:/x', 'A=1', 'B=1', 'C=no', 'D=yes', 'E=1$A'],
      },
    ],
    ['ENV EMPTY=', { Env: ['PATH=/bin', 'A=1', 'EMPTY='] }],
    [
      'EXPOSE 80 53/udp 8000-8001/TCP',
      {
        ExposedPorts: { '80/tcp': {}, '53/udp': {}, '8000/tcp': {}, '8001/tcp': {} },
      },
    ],
    ['LABEL a=new "c d"="e f"', { Labels: { a: 'new', b: 'kept', 'c d': 'e f' } }],
    ['VOLUME ["/a b", "/c"]', { Volumes: { '/a b': {}, '/c': {} } }],
    ['VOLUME /a /b', { Volumes: { '/a': {}, '/b': {} } }],
    ['USER redis:redis', { User: 'redis:redis' }],
    ['WORKDIR sub', { WorkingDir: '/srv/sub' }],
    ['WORKDIR /$A', { WorkingDir: '/1' }],
    ['STOPSIGNAL SIGQUIT', { StopSignal: 'SIGQUIT' }],
    ['ONBUILD RUN make all', { OnBuild: ['RUN make all'] }],
    ['HEALTHCHECK NONE', { Healthcheck: { Test: ['NONE'] } }],
    [
      'HEALTHCHECK --interval=5s --retries=2 CMD curl -f localhost',
      {
        Healthcheck: { Test: ['CMD-SHELL', 'curl -f localhost'], Interval: 5e9, Retries: 2 },
      },
    ],
    ['HEALTHCHECK --timeout=1m30s CMD ["true"]', { Healthcheck: { Test: ['CMD', 'true'], Timeout: 9e10 } }],
    ['# a comment', {}],
    ['ENV B=1 \\\n C=2', { Env: ['PATH=/bin', 'A=1', 'B=1', 'C=2'] }],
  ])('%s', (change, expected) => {
    expect(applyChanges(BASE, [change])).toEqual({ ...BASE, ...expected });
  });

  it('in order, each on what the others left', () => {
    const config = applyChanges(BASE, ['CMD ["own"]', 'ENTRYPOINT ["e"]', 'ENV X=1', 'ENV Y=$X']);
    expect(config).toMatchObject({ Cmd: ['own'], Entrypoint: ['e'] });
    expect(config.Env).toContain('Y=1');
  });

  it.each([
    ['RUN make', 'run is not a valid change command'],
    ['constructor x', 'constructor is not a valid change command'],
    ['CMD', 'CMD requires at least one argument'],
    ['ENV A', 'ENV must have two arguments'],
    ['ENV A=1 B', 'can\'t find = in "B"'],
    ['ENV =1', 'ENV names can not be blank'],
    ['EXPOSE 70000', 'Invalid containerPort: 70000'],
    ['EXPOSE 80-70', 'Invalid containerPort: 80-70'],
    ['USER a b', 'USER requires exactly one argument'],
    ['STOPSIGNAL 0', 'Invalid signal: 0'],
    ['ONBUILD ONBUILD RUN x', 'ONBUILD ONBUILD'],
    ['ONBUILD FROM x', "FROM isn't allowed as an ONBUILD trigger"],
    ['HEALTHCHECK curl', 'Unknown type "curl" in HEALTHCHECK (try CMD)'],
    ['HEALTHCHECK --interval=x CMD true', 'HEALTHCHECK: bad flag --interval=x'],
  ])('%s is refused', (change, message) => {
    expect(() => applyChanges(BASE, [change])).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining(message) }),
    );
  });
});
