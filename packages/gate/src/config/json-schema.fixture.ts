/** Makes the JSON Schemas of the configuration's files for editors, from the schemas that posternd itself uses and the reference's tables. */
import { toJsonSchema, type JsonSchema } from '@valibot/to-json-schema';
import type * as v from 'valibot';
import { gateFileSchema, userFileSchema } from './schema.ts';

/** The title of each schema. */
const TITLES = {
  posternd: 'posternd.toml, the configuration of a gate',
  user: 'users.d/NAME.toml, one user of a gate',
} as const;

/** Name of a schema: that of its file without `.schema.json`. */
export type SchemaName = keyof typeof TITLES;

const OPTIONS = { errorMode: 'ignore', typeMode: 'input', target: 'draft-07' } as const;

function convert(schema: v.GenericSchema): JsonSchema {
  // Definitions are left of what the choice below takes the place of.
  const { $defs: _unused, ...rest } = toJsonSchema(schema, {
    ...OPTIONS,
    overrideSchema: ({ valibotSchema, jsonSchema }) => {
      if (valibotSchema.type === 'instance') return { type: 'string', format: 'date-time' };
      if (valibotSchema.type !== 'lazy') return jsonSchema;
      // A step of a door is a text or a table: the choice is made when it is read.
      const { getter } = valibotSchema as unknown as { getter: (input: unknown) => v.GenericSchema };
      return { anyOf: [plain(getter('')), plain(getter({}))] };
    },
    // What no keyword can say is said in words.
    overrideAction: ({ valibotAction, jsonSchema }) =>
      valibotAction.type === 'check' && 'message' in valibotAction && typeof valibotAction.message === 'string'
        ? { ...jsonSchema, description: valibotAction.message }
        : jsonSchema,
  });
  return rest;
}

function plain(schema: v.GenericSchema): JsonSchema {
  const { $schema: _unused, ...rest } = convert(schema);
  return rest;
}

/** Text of a table's cell without Markdown. */
function unmarked(cell: string): string {
  return cell
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll('\\*', '')
    .trim();
}

/** The tables below a heading of the reference: for each the descriptions of its keys. */
function tables(page: string, heading: string): ReadonlyMap<string, string>[] {
  const from = page.indexOf(`\n${heading}\n`);
  if (from === -1) throw new Error(`no heading ${heading}`);
  const section = page.slice(from + 1, page.indexOf('\n#', from + heading.length));
  return section
    .split(/^\| key .*$/m)
    .slice(1)
    .map((table) => {
      const rows = table.matchAll(/^\| `([a-z0-9_]+)`[^|]*\|([^|]*)\|([^|]*)\|([^|]*)\|$/gm);
      return new Map(
        [...rows].map(([, key = '', value = '', preset = '', meaning = '']) => {
          const what = unmarked(meaning).replace(/^./, (letter) => letter.toUpperCase());
          return [key, `${what}.\n\nValue: ${unmarked(value)}. Default: ${unmarked(preset)}.`];
        }),
      );
    });
}

type Described = JsonSchema & { description?: string };

function property(schema: unknown, ...path: readonly string[]): Readonly<Record<string, Described>> {
  const at = path.reduce<unknown>((value, step) => (value as Readonly<Record<string, unknown>>)[step], schema);
  return (at as { readonly properties: Readonly<Record<string, Described>> }).properties;
}

function describe(
  properties: Readonly<Record<string, Described>>,
  from: ReadonlyMap<string, string> | undefined,
): void {
  for (const [key, schema] of Object.entries(properties)) {
    const description = from?.get(key);
    if (description !== undefined) schema.description = description;
  }
}

/** Makes the schemas. @param page - text of `docs/reference/configuration.md` */
export function makeSchemas(page: string): Record<SchemaName, JsonSchema> {
  const posternd: JsonSchema = { title: TITLES.posternd, ...convert(gateFileSchema) };
  const user: JsonSchema = { title: TITLES.user, ...convert(userFileSchema) };
  describe(property(posternd, 'properties', 'gate'), tables(page, '### `[gate]`')[0]);
  describe(
    property(posternd, 'properties', 'services', 'additionalProperties'),
    tables(page, '### `[services.NAME]`')[0],
  );
  const doors = tables(page, '### `[doors.NAME]`');
  describe(property(posternd, 'properties', 'doors', 'additionalProperties'), doors[0]);
  describe(
    property(posternd, 'properties', 'doors', 'additionalProperties', 'properties', 'sequence', 'items', 'anyOf', '1'),
    doors[1],
  );
  const fwknop = tables(page, '### `[fwknop]`');
  describe(property(posternd, 'properties', 'fwknop'), fwknop[0]);
  const stanza = ['properties', 'fwknop', 'properties', 'stanzas', 'additionalProperties'];
  const stanzas = tables(page, '### `[fwknop.stanzas.NAME]`');
  describe(property(posternd, ...stanza), stanzas[0]);
  describe(property(posternd, ...stanza, 'properties', 'cycle'), stanzas[1]);
  describe(property(posternd, ...stanza, 'properties', 'gpg'), stanzas[2]);
  const users = tables(page, '## users.d/NAME.toml');
  describe(property(user), users[0]);
  describe(property(user, 'properties', 'devices', 'items'), users[1]);
  return { posternd, user };
}
