/**
 * Debian's own /etc/fwknop and three configurations as people have them: the real client is let in and refused in the same way by a gate that runs straight
 * from them, and by one that took them over.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FWKNOP_PORTS } from '../fwknop-cell.ts';
import { FwknopClient, fwknopAvailable } from '../fwknop-client.ts';
import {
  automationExample,
  gatewayExample,
  OTHER_GATE,
  teamExample,
  type FwknopExample,
  type FwknopQuestion,
} from '../fwknop-configurations.ts';
import { FwknopGround } from '../fwknop-ground.ts';
import { GateFiles, PROGRAMS } from '../gate-process.ts';
import { GpgHome } from '../gpg-home.ts';
import { inNamespace } from '../in-namespace.ts';
import { namespacesAvailable } from '../namespace.ts';
import { tcpBanner } from '../tcp-answer.ts';
import { unpacked } from '../unpacked.ts';

const DEBIAN = unpacked('fwknop-server', 'etc/fwknop');
const able = namespacesAvailable() && fwknopAvailable() && existsSync(join(DEBIAN, 'access.conf'));
const skip = able || process.env['CI'] === 'true' ? false : 'NEEDS ROOT AND fwknop: script/bootstrap test';

/** Ports that are looked at after each question. */
const LOOKED_AT = [
  FWKNOP_PORTS.access,
  FWKNOP_PORTS.nat,
  FWKNOP_PORTS.localNat,
  FWKNOP_PORTS.local,
  FWKNOP_PORTS.command,
];
/** Of these the gate hides: what is left is the commands' own. */
const HIDDEN = LOOKED_AT.slice(0, 4)
  .map((port) => `tcp/${String(port)}`)
  .join(',');
/** Milliseconds: for an answer, until a port must be open, until it must be closed, and before a refused packet counts as refused. */
const [LOOK, OPENS, CLOSES, REFUSED] = [250, 8_000, 12_000, 600] as const;

/** What one question came to. */
interface Answer {
  readonly question: FwknopQuestion;
  readonly opened: string;
  readonly closed: boolean | undefined;
}

/** One gate with a directory of fwknop's files beside its own. */
class Host implements AsyncDisposable {
  readonly directory: string;
  readonly #gate: GateFiles;
  readonly #ground: FwknopGround;

  constructor(ground: FwknopGround) {
    this.#ground = ground;
    this.#gate = new GateFiles(ground.gateSide);
    this.directory = join(this.#gate.directory, 'fwknop');
    const places = [
      '--state',
      join(this.#gate.directory, 'state'),
      '--socket',
      join(this.#gate.runtime, 'posternd.sock'),
    ];
    const init = this.#gate.command(
      'init',
      '--yes',
      '--address',
      ground.places.gate,
      '--service',
      `hidden=${HIDDEN}`,
      ...places,
    );
    assert.equal(init.code, 0, init.err);
    const { config } = this.#gate;
    writeFileSync(config, readFileSync(config, 'utf8').replace('protect = false', 'protect = true'));
  }

  get log(): string {
    return this.#gate.log;
  }

  /** Runs straight from the directory. */
  async runBeside(): Promise<void> {
    await this.#gate.startProgram(PROGRAMS.posternd[2], [
      'run',
      '--fwknop',
      this.directory,
      '--config',
      this.#gate.config,
    ]);
  }

  /** Takes the directory over, forgets what is open, and runs from its own files. */
  async runImported(): Promise<void> {
    await this.#end();
    const taken = this.#gate.command('import', 'fwknop', this.directory, '--write');
    assert.equal(taken.code, 0, taken.err);
    await this.#gate.start();
  }

  /** How many packets the gate refused, by reason. */
  refusals(): unknown {
    const { fwknop } = this.#gate.json('status') as { fwknop: { refused: Readonly<Record<string, number>> } };
    return fwknop.refused;
  }

  /** Ends it, and what is open with it. */
  async #end(): Promise<void> {
    await this.#gate.stop();
    this.#ground.gateSide.run('nft', ['delete', 'table', 'inet', 'postern']);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using _ = this.#gate;
    await this.#end();
  }
}

const addressOf = ({ from }: FwknopQuestion): string => `10.94.${from}`;

/** Asks everything, each from an address of its own. */
async function ask(
  ground: FwknopGround,
  client: FwknopClient,
  questions: readonly FwknopQuestion[],
  port: number,
): Promise<Answer[]> {
  const look = async (question: FwknopQuestion): Promise<string> => {
    const localAddress = addressOf(question);
    const said = await Promise.all(
      LOOKED_AT.map(async (at) => {
        const banner = await tcpBanner({ host: ground.places.gate, port: at, localAddress }, LOOK);
        return banner === undefined ? [] : [`${String(at)}:${banner}`];
      }),
    );
    return said.flat().join(' ');
  };
  const until = async (question: FwknopQuestion, wanted: string, most: number): Promise<string> => {
    const end = performance.now() + most;
    let seen = await look(question);
    while (seen !== wanted && performance.now() < end) {
      await sleep(50);
      seen = await look(question);
    }
    return seen;
  };
  const follow = async (question: FwknopQuestion): Promise<Answer> => {
    if (question.opens === '') await sleep(REFUSED);
    const opened = question.opens === '' ? await look(question) : await until(question, question.opens, OPENS);
    const closed = question.closes === true ? (await until(question, '', CLOSES)) === '' : undefined;
    return { question, opened, closed };
  };
  return await inNamespace(ground.world, async () => {
    const early = await Promise.all(questions.map(look));
    assert.deepEqual(early.filter(Boolean), [], 'before anybody asks');
    const following: Promise<Answer>[] = [];
    for (const question of questions) {
      const { to = ground.places.gate, args } = question;
      const asked = args.includes('-s') ? [] : ['-a', addressOf(question)];
      const way = args.includes('-p') ? [] : ['-p', String(port)];
      const raw = [...(args.includes('-P') ? [] : ['-P', 'udpraw']), '-Q', addressOf(question)];
      const options = ['--no-rc-file', '--no-save-args', '-D', to, ...way, ...raw, ...asked];
      const ran = await client.run(...options, ...args);
      assert.equal(ran.code, 0, `${question.what}: ${ran.out}${ran.err}`);
      following.push(follow(question));
    }
    return await Promise.all(following);
  });
}

async function compare(
  example: FwknopExample,
  ground: FwknopGround,
  tell: (line: string) => void,
  port = 62_201,
): Promise<void> {
  await using host = new Host(ground);
  for (const [name, text] of Object.entries(example.files)) {
    mkdirSync(dirname(join(host.directory, name)), { recursive: true });
    writeFileSync(join(host.directory, name), text, { mode: 0o600 });
  }
  using client = new FwknopClient(ground.world);
  await host.runBeside();
  const before = await ask(ground, client, example.questions, port);
  const refusedBefore = host.refusals();
  await host.runImported();
  const after = await ask(ground, client, example.questions, port);
  const shown = ({ opened, closed }: Answer): string =>
    `${opened === '' ? 'nothing' : opened}${closed === undefined ? '' : closed ? ', closes' : ', STAYS OPEN'}`.padEnd(
      22,
    );
  tell(`${''.padEnd(42)} ${'run beside'.padEnd(22)} imported`);
  before.forEach((answer, index) => {
    const then = after[index];
    if (then !== undefined) tell(`${answer.question.what.padEnd(42)} ${shown(answer)} ${shown(then)}`);
  });
  for (const answers of [before, after]) {
    assert.deepEqual(
      answers.map(({ question: { what }, opened, closed }) => ({ what, opened, closed })),
      example.questions.map(({ what, opens, closes }) => ({ what, opened: opens, closed: closes })),
      host.log.slice(-6_000),
    );
  }
  const refused = host.refusals();
  tell(`refused, by reason: ${JSON.stringify(refused)}`);
  assert.deepEqual(refused, refusedBefore);
}

/** The questions to Debian's own configuration, with a pair of keys in the place of its two `__CHANGEME__`. */
async function debianExample(ground: FwknopGround): Promise<FwknopExample> {
  using client = new FwknopClient(ground.world);
  const made = await client.run('--key-gen');
  const [, key = '', hmac = ''] = /^KEY_BASE64: (\S+)\nHMAC_KEY_BASE64: (\S+)$/m.exec(made.out) ?? [];
  assert.notEqual(hmac, '', made.out + made.err);
  const read = (name: string): string => readFileSync(join(DEBIAN, name), 'utf8');
  const access = read('access.conf')
    .replace(/^(KEY_BASE64 +)__CHANGEME__$/m, `$1${key}`)
    .replace(/^(HMAC_KEY_BASE64 +)__CHANGEME__$/m, `$1${hmac}`);
  const keys = ['--key-base64-rijndael', key, '--key-base64-hmac', hmac];
  const opens = `${String(FWKNOP_PORTS.access)}:gate`;
  const ports = ['-A', `tcp/${String(FWKNOP_PORTS.access)}`];
  return {
    files: { 'fwknopd.conf': read('fwknopd.conf'), 'access.conf': access },
    questions: [
      { what: 'the address that it names', from: '1.1', args: [...ports, ...keys], opens },
      { what: 'where it comes from', from: '1.2', args: ['-s', ...ports, ...keys], opens },
      { what: 'for two seconds', from: '1.3', args: ['-f', '2', ...ports, ...keys], opens, closes: true },
      { what: 'without an HMAC', from: '1.4', args: [...ports, ...keys.slice(0, 2)], opens: '' },
      { what: 'a command', from: '1.5', args: ['-C', '/bin/true', ...keys], opens: '' },
    ],
  };
}

/** Keyrings of a client and of the gate that know each other. */
async function automation(ground: FwknopGround, stack: DisposableStack): Promise<FwknopExample> {
  const [client, server] = await Promise.all([
    GpgHome.create(ground.world, 'client'),
    GpgHome.create(ground.gateSide, 'server'),
  ]);
  stack.use(client).learn(server);
  stack.use(server).learn(client);
  return automationExample({ client, server });
}

test(
  'fwknop’s configurations mean the same to the real client when they are run as they are and when they were imported',
  { skip, timeout: 180_000 },
  async (context) => {
    using ground = await FwknopGround.build(640);
    ground.gateSide.run('ip', ['address', 'add', `${OTHER_GATE}/16`, 'dev', ground.device]);
    using stack = new DisposableStack();
    const all: readonly (readonly [name: string, make: () => FwknopExample | Promise<FwknopExample>, port?: number])[] =
      [
        ["Debian's own, with a pair of keys", () => debianExample(ground)],
        ['a team', teamExample],
        ['a gateway', () => gatewayExample(ground.places.inner)],
        ['commands and GPG', () => automation(ground, stack), 40_001],
      ];
    for (const [name, make, port] of all) {
      await context.test(name, async (inner) => {
        const tell = (line: string): void => {
          inner.diagnostic(line);
        };
        await compare(await make(), ground, tell, port);
      });
    }
  },
);
