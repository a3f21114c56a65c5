import { describe, expect, it } from 'vitest';
import { endpointSettings, parseNetworks } from '../../../src/runtime/flags/network.js';
import type { RunFlags } from '../../../src/runtime/run-flags.js';

const plain = { IPAMConfig: null, Aliases: null };

describe('the networks of a container', () => {
  it.each<[RunFlags, string, string]>([
    [{}, 'bridge', 'bridge'],
    [{}, 'none', 'none'],
    [{}, 'backend', 'backend'],
    [{ publish: ['80'] }, 'none', 'bridge'],
    [{ publishAll: true }, 'host', 'bridge'],
    [{ publish: ['80'] }, 'backend', 'backend'],
    [{ publish: ['80'], network: 'none' }, 'bridge', 'none'],
    [{ network: 'default' }, 'none', 'bridge'],
  ])('%j where the default is %s: %s', (flags, fallback, mode) => {
    expect(parseNetworks(flags, fallback)).toEqual({ mode, endpoints: { [mode]: plain } });
  });

  it('have settings, in either form', () => {
    const settings = {
      IPAMConfig: { IPv4Address: '10.0.0.9' },
      Aliases: ['db', 'sql'],
      MacAddress: '02:aa:00:00:00:01',
    };
    const text = 'name=back,alias=db,alias=sql,ip=10.0.0.9,mac-address=02:AA:00:00:00:01';
    expect(parseNetworks({ network: text }, 'none')).toEqual({ mode: 'back', endpoints: { back: settings } });
    const flags = {
      network: ['back', 'front'],
      ip: '10.0.0.9',
      networkAlias: ['db', 'sql'],
      macAddress: '02:aa:00:00:00:01',
    };
    expect(parseNetworks(flags, 'none')).toEqual({
      mode: 'back',
      endpoints: { back: settings, front: plain },
    });
  });

  it.each<[RunFlags, string]>([
    [{ network: 'a:web' }, 'network a:web not found'],
    [{ network: 'name=x,foo=y' }, 'invalid field key foo'],
    [{ network: 'name=x,y' }, 'invalid field y'],
    [{ network: ['a', 'host'] }, 'cannot attach both user-defined and non-user-defined network-modes'],
    [{ network: ['a', 'a'] }, 'network "a" is specified multiple times'],
    [
      { network: 'name=a,ip=10.0.0.1', ip: '10.0.0.2' },
      'cannot specify both --ip and per-network IPv4 address',
    ],
    [{ network: 'none', ip: '10.0.0.2' }, 'network none has no addresses and no aliases'],
    [{ network: 'a', ip: 'x' }, 'invalid IPv4 address: x'],
    [{ network: 'a', macAddress: 'x' }, 'x is not a valid mac address'],
    [{ network: 'a', networkAlias: ['a b'] }, 'invalid network alias "a b"'],
  ])('refuses %j', (flags, message) => expect(() => parseNetworks(flags, 'none')).toThrow(message));

  it.each([{}, { publishAll: false }])("in another container's: no endpoints, %j", (flags) => {
    for (const network of ['container:db', 'name=container:db']) {
      expect(parseNetworks({ ...flags, network }, 'none')).toEqual({ mode: 'container:db', endpoints: {} });
    }
  });

  it.each<[RunFlags, string]>([
    [{ network: 'container:' }, 'invalid network mode: invalid container format container:<name|id>'],
    [{ network: ['container:a', 'b'] }, 'cannot attach both user-defined and non-user-defined network-modes'],
    [{ hostname: 'x' }, 'conflicting options: hostname and the network mode'],
    [{ domainname: 'x' }, 'conflicting options: hostname and the network mode'],
    [{ dns: ['10.0.0.1'] }, 'conflicting options: dns and the network mode'],
    [{ dnsOption: ['rotate'] }, 'conflicting options: dns and the network mode'],
    [{ addHost: ['a:10.0.0.1'] }, 'conflicting options: custom host-to-IP mapping and the network mode'],
    [{ macAddress: '02:00:00:00:00:01' }, 'conflicting options: mac-address and the network mode'],
    [{ publish: ['80'] }, 'conflicting options: port publishing and the container type network mode'],
    [{ publishAll: true }, 'conflicting options: port publishing and the container type network mode'],
    [{ expose: ['80'] }, 'conflicting options: port exposing and the container type network mode'],
    [{ ip: '10.0.0.2' }, 'network container:db has no addresses and no aliases'],
    [{ networkAlias: ['x'] }, 'network container:db has no addresses and no aliases'],
  ])("in another container's cannot have %j", (flags, message) =>
    expect(() => parseNetworks({ network: 'container:db', ...flags }, 'none')).toThrow(message),
  );

  it('may be called what every object has', () => {
    const { endpoints } = parseNetworks({ network: 'constructor' }, 'none');
    expect(Object.entries(endpoints)).toEqual([['constructor', plain]]);
  });

  it('of `network connect` are the same', () => {
    expect(endpointSettings({ alias: ['x'], ip: '10.0.0.9' })).toEqual({
      IPAMConfig: { IPv4Address: '10.0.0.9' },
      Aliases: ['x'],
    });
  });
});
