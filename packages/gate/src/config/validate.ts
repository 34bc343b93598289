import { nearest } from '@postern/terminal';
import * as v from 'valibot';
import type { Path } from './positions.ts';
import { errorAt, type TomlFile } from './toml-file.ts';

function show(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return value === null ? 'nothing' : 'a table';
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

/** A path as people write it: `services.ssh.ports[1]`. */
export function showPath(path: Path): string {
  return path.reduce<string>(
    (shown, step) => (typeof step === 'number' ? `${shown}[${step + 1}]` : shown === '' ? step : `${shown}.${step}`),
    '',
  );
}

/**
 * Checks a parsed file against its schema.
 *
 * @param keysAt - the keys that may stand in the table at a path, to tell what an unknown one was meant to be
 * @param secret - no error shows a value
 * @throws PersonError `FILE:LINE:COLUMN: …` for the first thing that is wrong
 */
export function validate<Schema extends v.GenericSchema>(
  schema: Schema,
  from: TomlFile,
  keysAt: (path: readonly unknown[]) => readonly string[],
  secret = false,
): v.InferOutput<Schema> {
  const checked = v.safeParse(schema, from.data, { abortEarly: true });
  if (checked.success) return checked.output;
  const [issue] = checked.issues;
  const path = (issue.path ?? []).map((item): string | number =>
    typeof item.key === 'number' ? item.key : String(item.key),
  );
  const above = path.slice(0, -1);
  const key = String(path.at(-1));
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    const known = keysAt(above);
    const near = nearest(key, known);
    throw errorAt(
      from,
      path,
      `unknown key \`${showPath(path)}\``,
      near === undefined ? `known here are: ${known.join(', ')}` : `did you mean \`${near}\`?`,
    );
  }
  if (issue.type === 'strict_object' && issue.expected !== 'Object') {
    const table = above.reduce<unknown>((value, step) => at(value, step), from.data);
    const slip = Object.keys(table ?? {}).find(
      (found) => !keysAt(above).includes(found) && nearest(found, [key]) === key,
    );
    if (slip !== undefined)
      throw errorAt(
        from,
        [...above, slip],
        `unknown key \`${showPath([...above, slip])}\``,
        `did you mean \`${key}\`?`,
      );
    const where = above.length === 0 ? '' : `${showPath(above)}: `;
    throw errorAt(from, above, `${where}\`${key}\` is missing`, missingHint(key));
  }
  const came = secret ? 'something else' : show(issue.input);
  throw errorAt(from, path, `${showPath(path)}: ${issue.message}, but ${came} came`);
}

function at(value: unknown, step: string | number): unknown {
  return typeof value === 'object' && value !== null
    ? (value as Readonly<Record<string | number, unknown>>)[step]
    : undefined;
}

const EXAMPLES: Readonly<Record<string, string>> = {
  ports: 'ports = ["tcp/22"]',
  services: 'services = ["ssh"]',
  name: 'name = "laptop"',
};

function missingHint(key: string): string | undefined {
  const example = EXAMPLES[key];
  return example === undefined ? undefined : `for example: ${example}`;
}
