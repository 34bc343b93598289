import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PersonError } from '@postern/terminal';
import { setDark } from './dark-edit.ts';
import { loadGate } from './load.ts';
import { makePlace } from './testing.ts';

const GATE = '# mine\n[gate] # the gate\nname = "here"\n\n# and a service\n[services.ssh]\nports = ["tcp/22"]\n';

test('whole-host mode is written below the last key of [gate], changed in place, and nothing else changes', () => {
  using place = makePlace({ 'posternd.toml': GATE });
  const file = place.path('posternd.toml');
  setDark(file, { dark: true, allow: ['tcp/80', 'ping'], trust: [] });
  const added = 'name = "here"\ndark = true\nallow = ["tcp/80", "ping"]\n';
  assert.equal(place.read('posternd.toml'), GATE.replace('name = "here"\n', added));
  setDark(file, { dark: false });
  assert.match(place.read('posternd.toml'), /^dark = false\nallow = \["tcp\/80", "ping"\]$/m);
  setDark(file, { dark: true, allow: [], trust: ['br-*'] });
  const { dark, allow, trust } = loadGate(file);
  assert.deepEqual({ dark, allow, trust }, { dark: true, allow: [], trust: ['br-*'] });
  assert.match(place.read('posternd.toml'), /^# mine\n\[gate\] # the gate\n/);
});

test('a file that says so already is not touched', () => {
  using place = makePlace({ 'posternd.toml': '[services.ssh]\nports = ["tcp/22"]\n' });
  setDark(place.path('posternd.toml'), { dark: false, allow: [], trust: [] });
  assert.equal(place.read('posternd.toml'), '[services.ssh]\nports = ["tcp/22"]\n');
});

test('where there is no [gate] to write below, it is said what to write by hand', () => {
  using place = makePlace({ 'posternd.toml': '[services.ssh]\nports = ["tcp/22"]\n' });
  assert.throws(
    () => {
      setDark(place.path('posternd.toml'), { dark: true, allow: ['tcp/80'] });
    },
    (error) =>
      error instanceof PersonError && error.hint === 'write by hand, in [gate]: dark = true, allow = ["tcp/80"]',
  );
  assert.equal(place.read('posternd.toml'), '[services.ssh]\nports = ["tcp/22"]\n');
});
