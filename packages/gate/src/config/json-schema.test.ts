import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { format } from 'prettier';
import { parse, TomlDate } from 'smol-toml';
import { loadConfiguration } from './load.ts';
import { makeSchemas, type SchemaName } from './json-schema.fixture.ts';
import { makePlace } from './testing.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../../../docs/reference/configuration.md'), 'utf8');
const SCHEMAS = makeSchemas(PAGE);

/** The validator that eslint brings; its default is draft 7. */
interface Validator {
  compile: (schema: unknown) => ((value: unknown) => boolean) & { readonly errors?: unknown };
}
const require = createRequire(createRequire(import.meta.url).resolve('eslint/package.json'));
const Ajv = require('ajv') as new (options: object) => Validator;
const ajv = new Ajv({ allErrors: true, format: 'full' });
const validators = { posternd: ajv.compile(SCHEMAS.posternd), user: ajv.compile(SCHEMAS.user) };

/** TOML as an editor hands it to a validator: dates are texts. */
function asJson(toml: string): unknown {
  return JSON.parse(
    JSON.stringify(parse(toml), (_key, value: unknown) => (value instanceof TomlDate ? value.toISOString() : value)),
  );
}

for (const name of ['posternd', 'user'] as const satisfies readonly SchemaName[]) {
  test(`${name}.schema.json is made from posternd's own schema and the reference (POSTERN_WRITE_DOCS=1 makes it anew)`, async () => {
    const file = join(import.meta.dirname, `${name}.schema.json`);
    const made = await format(JSON.stringify(SCHEMAS[name]), { parser: 'json', printWidth: 120 });
    if (process.env['POSTERN_WRITE_DOCS'] === '1') writeFileSync(file, made);
    else
      assert.equal(readFileSync(file, 'utf8'), made, 'run this test with POSTERN_WRITE_DOCS=1 and commit the result');
  });
}

test('the examples of the reference are valid', () => {
  const examples = [...PAGE.matchAll(/```toml\n([^`]*)```/g)].map(([, text = '']) => text);
  assert.ok(examples.length >= 2);
  for (const text of examples) {
    const validate = validators[/^services = /m.test(text) ? 'user' : 'posternd'];
    assert.ok(validate(asJson(text)), `${text}\n${JSON.stringify(validate.errors)}`);
  }
});

test('every key says what it means', () => {
  const visit = (schema: unknown, path: string): void => {
    if (typeof schema !== 'object' || schema === null) return;
    for (const [key, value] of Object.entries(schema)) {
      if (key === 'properties' && path !== '') {
        for (const [name, property] of Object.entries(value as Readonly<Record<string, { description?: string }>>)) {
          const table = (path === '/user' && name === 'devices') || name === 'stanzas';
          assert.ok(table || property.description?.includes('Default:') === true, `${path}/${name}`);
        }
      }
      visit(value, `${path}/${key}`);
    }
  };
  visit(SCHEMAS.posternd, '');
  visit({ user: SCHEMAS.user }, '');
});

const START = '[gate]\naddresses = ["203.0.113.5"]\n';
const SSH = '[services.ssh]\nports = ["tcp/22"]\n';

/** What posternd takes, and what it refuses. */
const FILES: readonly (readonly [valid: boolean, text: string])[] = [
  [true, ''],
  [true, START + SSH],
  [
    true,
    `${START}name = "web-1"\nport = 53\ncapture = "dgram"\npq = "required"\nsentry_user = "daemon"\nstate = "/x"\nsocket = "/y"\n`,
  ],
  [
    true,
    `${SSH}seconds = 60\nmax_seconds = 60\nsingle_use = true\nobserved_source = false\nprefix4 = 24\nprefix6 = 64\nprotect = true\n`,
  ],
  [false, '[gate]\nport = 0\n'],
  [false, '[gate]\nport = 1.5\n'],
  [false, '[gate]\nport = "62201"\n'],
  [false, '[gate]\nprot = 1\n'],
  [false, '[gate]\nname = "a b"\n'],
  [false, '[gate]\nstate = "relative"\n'],
  [false, '[gate]\nsentry_user = "root"\n'],
  [false, '[gate]\ncapture = "pcap"\n'],
  [false, '[services.SSH]\nports = ["tcp/22"]\n'],
  [false, '[services.ssh]\nports = []\n'],
  [false, '[services.ssh]\nports = ["22"]\n'],
  [false, '[services.ssh]\nports = ["tcp/65536"]\n'],
  [true, '[services.ssh]\nports = ["tcp/65535", "udp/1"]\n'],
  [false, '[services.ssh]\nseconds = 30\n'],
  [false, `${SSH}seconds = 86401\n`],
  [false, `${SSH}prefix4 = 7\n`],
  [false, `${SSH}protect = "yes"\n`],
  [true, '[fwknop]\nhear = ["udp/62201", "udp/10000-65535", "icmp", "tcp/80"]\nmax_age = "any"\nbudget = false\n'],
  [false, '[fwknop]\nhear = []\n'],
  [false, '[fwknop]\nmax_age = 0\n'],
  [false, '[fwknop.stanzas.a]\nsource = ["any"]\nmode = "pcbc"\n'],
  [false, '[fwknop.stanzas.a]\n'],
];

test('an editor takes what posternd takes, and refuses what it refuses', () => {
  for (const [valid, text] of FILES) {
    using place = makePlace({ 'posternd.toml': text });
    const load = (): unknown => loadConfiguration(place.path('posternd.toml'));
    if (valid) load();
    else assert.throws(load, text);
    assert.equal(validators.posternd(asJson(text)), valid, `${text}\n${JSON.stringify(validators.posternd.errors)}`);
  }
});

const DEVICE = '[[devices]]\nname = "laptop"\ned25519 = "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="\n';

test('the same of users', () => {
  for (const [valid, text] of [
    [true, `services = ["ssh"]\nexpires = 2027-12-31T18:00:00Z\nfrom = ["10.0.0.0/8"]\n${DEVICE}`],
    [true, 'services = []\n'],
    [false, ''],
    [false, 'services = "ssh"\n'],
    [false, 'services = ["ssh"]\nfrom = []\n'],
    [false, 'services = ["ssh"]\nexpires = "tomorrow"\n'],
    [false, `services = ["ssh"]\n${DEVICE}colour = 1\n`],
    [false, 'services = ["ssh"]\n[[devices]]\nname = "laptop"\n'],
    [false, `services = ["ssh"]\n${DEVICE}id = "AB"\n`],
  ] as const) {
    using place = makePlace({ 'posternd.toml': SSH, 'users.d/ada.toml': text });
    const load = (): unknown => loadConfiguration(place.path('posternd.toml'));
    if (valid) load();
    else assert.throws(load, text);
    assert.equal(validators.user(asJson(text)), valid, `${text}\n${JSON.stringify(validators.user.errors)}`);
  }
});
