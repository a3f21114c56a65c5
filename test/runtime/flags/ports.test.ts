import { describe, expect, it } from 'vitest';
import { parsePorts } from '../../../src/runtime/flags/ports.js';

const bindings = (...publish: string[]) => parsePorts(publish, []).bindings;

describe('-p', () => {
  it.each([
    ['80', { '80/tcp': [{ HostIp: '', HostPort: '' }] }],
    ['8080:80', { '80/tcp': [{ HostIp: '', HostPort: '8080' }] }],
    ['8080:80/udp', { '80/udp': [{ HostIp: '', HostPort: '8080' }] }],
    ['127.0.0.1:8080:80', { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }] }],
    ['127.0.0.1::80', { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] }],
    [
      '8000-8001:80-81/TCP',
      { '80/tcp': [{ HostIp: '', HostPort: '8000' }], '81/tcp': [{ HostIp: '', HostPort: '8001' }] },
    ],
  ])('%s', (spec, expected) => expect(bindings(spec)).toEqual(expected));

  it('gives one port several bindings', () => {
    expect(bindings('8080:80', '9090:80')['80/tcp']).toHaveLength(2);
  });

  it.each([
    ['80:', 'no port specified'],
    ['0', 'invalid containerPort: 0'],
    ['70000:80', 'invalid hostPort: 70000'],
    ['90-80', 'invalid containerPort: 90-80'],
    ['8000-8002:80-81', 'invalid ranges specified for container and host Ports: 80-81 and 8000-8002'],
    ['example.com:80:80', 'invalid IP address: example.com'],
    ['80/icmp', 'invalid proto: icmp'],
    ['8080:http', 'invalid containerPort: http'],
  ])('%s is refused', (spec, message) => expect(() => bindings(spec)).toThrow(message));

  it('--expose adds to what is published', () => {
    expect(Object.keys(parsePorts(['80'], ['7000-7001/udp', '80']).exposed)).toEqual([
      '80/tcp',
      '7000/udp',
      '7001/udp',
    ]);
    expect(() => parsePorts([], ['7000-'])).toThrow('invalid range format for --expose: 7000-');
  });
});
