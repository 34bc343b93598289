import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EXIT, PersonError, type Command } from '@postern/terminal';
import { CONFIG, configFile, JSON_OUTPUT } from '../options.ts';

const FILES = ['config', 'user'] as const;

/** Loads a schema; the files are made by `config/json-schema.test.ts`. */
async function load(which: (typeof FILES)[number]): Promise<unknown> {
  const { default: schema } =
    which === 'config'
      ? await import('../../config/posternd.schema.json', { with: { type: 'json' } })
      : await import('../../config/user.schema.json', { with: { type: 'json' } });
  return schema;
}

/** `posternd schema`. */
export const schema: Command = {
  name: 'schema',
  summary: 'print the JSON Schema of the configuration, for editors',
  description: [
    'With it an editor that knows TOML schemas (taplo, and Even Better TOML for Visual Studio Code) completes keys, says what they mean, and marks what posternd would refuse. `--write` puts both schemas beside the configuration. Then the first line of posternd.toml is `#:schema ./schema/posternd.schema.json`, and that of a file in users.d `#:schema ../schema/user.schema.json`.',
  ],
  arguments: [
    {
      name: 'file',
      help: '`config` for posternd.toml (if nothing is given), `user` for a file of users.d',
      optional: true,
    },
  ],
  options: [
    { name: 'write', help: 'write both into the directory schema beside the configuration' },
    { ...JSON_OUTPUT, help: 'print it in one line' },
    CONFIG,
  ],
  examples: [
    { line: 'posternd schema --write', does: 'puts both schemas into /etc/postern/schema' },
    { line: 'posternd schema user > user.schema.json', does: 'keeps one somewhere else' },
  ],
  run: async (parsed, io) => {
    const typed = parsed.arguments['file'] ?? 'config';
    const which = FILES.find((name) => name === typed);
    if (which === undefined) {
      throw new PersonError(`there is a schema of ${FILES.join(' and of ')}, but \`${typed}\` came`, {
        exitCode: EXIT.usage,
      });
    }
    if (!parsed.flags.has('write')) {
      io.out(JSON.stringify(await load(which), undefined, parsed.flags.has('json') ? undefined : 2));
      return EXIT.ok;
    }
    const { writeAtomically } = await import('../../config/atomic-write.ts');
    const directory = join(dirname(configFile(parsed)), 'schema');
    mkdirSync(directory, { recursive: true });
    const written: string[] = [];
    for (const name of FILES) {
      const file = join(directory, `${name === 'config' ? 'posternd' : name}.schema.json`);
      writeAtomically(file, `${JSON.stringify(await load(name), undefined, 2)}\n`, { mode: 0o644 });
      written.push(file);
    }
    if (parsed.flags.has('json')) io.out(JSON.stringify({ written }));
    else for (const file of written) io.out(file);
    return EXIT.ok;
  },
};
