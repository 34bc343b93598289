import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfiguration } from './load.ts';
import { gateFileKeys, userFileKeys } from './schema.ts';
import { makePlace } from './testing.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../../../docs/reference/configuration.md'), 'utf8');

/** The keys that the tables of one section list. */
function listed(heading: string): Set<string> {
  const from = PAGE.indexOf(`\n${heading}\n`);
  assert.notEqual(from, -1, heading);
  const section = PAGE.slice(from + 1, PAGE.indexOf('\n#', from + heading.length));
  return new Set([...section.matchAll(/^\| `([a-z0-9_]+)`/gm)].map(([, key = '']) => key));
}

test('the page lists every key, and no other', () => {
  assert.deepEqual(listed('### `[gate]`'), new Set(gateFileKeys(['gate'])));
  assert.deepEqual(listed('### `[services.NAME]`'), new Set(gateFileKeys(['services', 'x'])));
  const doors = [...gateFileKeys(['doors', 'x']), ...gateFileKeys(['doors', 'x', 'sequence', 0])];
  assert.deepEqual(listed('### `[doors.NAME]`'), new Set(doors));
  const fwknop = gateFileKeys(['fwknop']).filter((key) => key !== 'stanzas');
  assert.deepEqual(listed('### `[fwknop]`'), new Set(fwknop));
  const stanza = ['fwknop', 'stanzas', 'x'];
  const inner = ['cycle', 'gpg'].flatMap((key) => gateFileKeys([...stanza, key]));
  assert.deepEqual(listed('### `[fwknop.stanzas.NAME]`'), new Set([...gateFileKeys(stanza), ...inner]));
  const users = new Set([...userFileKeys([]), ...userFileKeys(['devices', 0])].filter((key) => key !== 'devices'));
  assert.deepEqual(listed('## users.d/NAME.toml'), users);
});

test('the examples of the page are a configuration', () => {
  const [gate = '', forwarded = '', doors = '', fwknop = '', user = ''] = [
    ...PAGE.matchAll(/```toml\n([^`]*)```/g),
  ].map(([, text = '']) => text);
  using place = makePlace({ 'posternd.toml': gate, 'users.d/ada.toml': user });
  const { services, users } = loadConfiguration(place.path('posternd.toml'));
  assert.deepEqual([services.length, users[0]?.devices.length], [2, 1]);
  using withDoor = makePlace({ 'posternd.toml': gate + doors });
  assert.equal(loadConfiguration(withDoor.path('posternd.toml')).doors[0]?.steps?.length, 3);
  const keys = /```toml fwknop\.keys\n([^`]*)```/.exec(PAGE)?.[1] ?? '';
  using withStanza = makePlace({ 'posternd.toml': gate + fwknop, 'fwknop.keys': keys });
  const stanzas = loadConfiguration(withStanza.path('posternd.toml')).fwknop?.stanzas;
  assert.deepEqual(
    stanzas?.map(({ name, hmac }) => [name, hmac?.digest]),
    [['alice', 'sha256']],
  );
  using other = makePlace({ 'posternd.toml': forwarded });
  const [web] = loadConfiguration(other.path('posternd.toml')).services;
  assert.deepEqual(Object.keys(web?.forward ?? {}), ['4', '6']);
});
