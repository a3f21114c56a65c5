import { describe, expect, it } from 'vitest';
import {
  contains,
  firstAddress,
  freeSubnet,
  overlap,
  parseSubnet,
  routes,
  subnetText,
} from '../../../src/runtime/network/subnet.js';

describe('subnets', () => {
  it('are read, told and compared', () => {
    const subnet = parseSubnet('10.5.16.0/20');
    expect(subnetText(subnet)).toBe('10.5.16.0/20');
    expect(firstAddress(subnet)).toBe('10.5.16.1');
    expect(contains(subnet, '10.5.31.254')).toBe(true);
    for (const outside of ['10.5.16.0', '10.5.31.255', '10.5.32.1', 'x']) {
      expect(contains(subnet, outside)).toBe(false);
    }
    expect(overlap(subnet, parseSubnet('10.0.0.0/8'))).toBe(true);
    expect(overlap(subnet, parseSubnet('10.5.32.0/20'))).toBe(false);
    expect(subnetText(parseSubnet('192.168.0.0/16'))).toBe('192.168.0.0/16');
  });

  it.each(['10.5.0.1/16', '10.5.0.0', '10.5.0.0/33', 'fd00::/64', '300.0.0.0/8', '0.0.0.0/0'])(
    '%s is refused',
    (text) => expect(() => parseSubnet(text)).toThrow('invalid subnet'),
  );

  it("come from the kernel's table, without the default route", () => {
    const table = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
gantry0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
`;
    const [route, ...more] = routes(table);
    expect(more).toEqual([]);
    expect(route).toMatchObject({ interface: 'gantry0', bits: 16 });
    expect(subnetText(route!)).toBe('172.17.0.0/16');
    expect(subnetText(freeSubnet(routes(table)))).toBe('172.18.0.0/16');
    expect(subnetText(freeSubnet([parseSubnet('172.0.0.0/8')]))).toBe('192.168.0.0/20');
    expect(() => freeSubnet([parseSubnet('172.0.0.0/8'), parseSubnet('192.0.0.0/8')])).toThrow(
      'could not find an available',
    );
  });
});
