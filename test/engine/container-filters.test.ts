import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseContainerID } from '../../src/core/ids.js';
import { containerFilter, portFilter } from '../../src/engine/container-filters.js';
import { parseFilters } from '../../src/engine/filters.js';
import { findNetwork } from '../../src/engine/networks.js';
import { openStore, type Store } from '../../src/engine/store.js';
import type { ContainerRecord } from '../../src/runtime/container-record.js';
import { CREATED } from '../../src/runtime/container-state.js';
import { ContainerStore } from '../../src/runtime/container-store.js';
import { temporaryDirectory } from '../helpers/layer-fixture.js';
import { hostConfigOf } from '../runtime/host-config.js';

describe('ps --filter', () => {
  const directory = temporaryDirectory();
  let store: Store;
  afterAll(directory.remove);
  beforeAll(() => {
    store = openStore(join(directory.path, 'root'));
    put('a', 'first', '2024-01-01T00:00:00Z', ['bridge'], {});
    put('b', 'second', '2024-01-02T00:00:00Z', ['bridge', 'host'], {
      '/data': { Name: 'stuff', Source: '/v' },
    });
    put('c', 'third', '2024-01-03T00:00:00Z', ['none'], { '/in': { Source: '/srv' } });
  });

  function put(digit: string, name: string, Created: string, networks: string[], mounts: object): void {
    const records = new ContainerStore(store.root);
    const ID = parseContainerID(digit.repeat(64));
    records.makeDirectory(ID);
    records.putHostConfig(ID, hostConfigOf(), { sync: false });
    const points = Object.entries(mounts).map(([Destination, mount]) => [
      Destination,
      { ...mount, Destination },
    ]);
    const record = {
      ID,
      Name: `/${name}`,
      Created,
      State: CREATED,
      Config: { Labels: { name } },
      MountPoints: Object.fromEntries(points),
      NetworkSettings: { Networks: Object.fromEntries(networks.map((network) => [network, {}])) },
    };
    records.put(record as unknown as ContainerRecord, { sync: false });
  }

  const found = (...texts: string[]) =>
    new ContainerStore(store.root)
      .list()
      .filter(containerFilter(store, parseFilters(texts)))
      .map(({ Name }) => Name.slice(1))
      .reverse();

  it.each([
    [['before=third'], ['first', 'second']],
    [['since=first'], ['second', 'third']],
    [['since=aaa', 'before=ccc'], ['second']],
    [['network=bridge'], ['first', 'second']],
    [
      ['network=host', 'network=none'],
      ['second', 'third'],
    ],
    [['volume=stuff'], ['second']],
    [
      ['volume=/data', 'volume=/srv'],
      ['second', 'third'],
    ],
    [['volume=/v'], []],
    [['label=name=first', 'status=created'], ['first']],
    [['health=none'], ['first', 'second', 'third']],
    [['publish=80'], []],
  ])('%j finds %j', (filters, names) => expect(found(...filters)).toEqual(names));

  it('finds a network by its id', () => {
    expect(found(`network=${findNetwork(store, 'none').Id.slice(0, 12)}`)).toEqual(['third']);
  });

  it('tells what it cannot read', () => {
    expect(() => found('before=nobody')).toThrow('No such container: nobody');
    expect(() => found('publish=web')).toThrow("Invalid filter 'publish=web': expected a port or a range");
    expect(() => found('expose=9-1')).toThrow("Invalid filter 'expose=9-1'");
    expect(() => found('colour=red')).toThrow("Invalid filter 'colour'");
  });

  const ports = { '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }], '53/udp': null };
  it.each([
    [['publish=8080'], true],
    [['publish=8000-8100/tcp'], true],
    [['publish=8080/udp'], false],
    [['publish=80'], false],
    [['expose=80'], true],
    [['expose=53'], false],
    [['expose=50-60/udp'], true],
    [['publish=1', 'expose=53/udp'], true],
  ])('%j of published and exposed ports: %j', (filters, holds) =>
    expect(portFilter(parseFilters(filters))!(ports)).toBe(holds),
  );
});
