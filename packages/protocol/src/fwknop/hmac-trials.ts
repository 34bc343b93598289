/**
 * HMAC-SHA256 of one text under many keys at once: `hmac-trial.ts`, four keys at a time in the vectors of WebAssembly. The module is made
 * when the first keys are; engines without vectors, or that will not have it, do without.
 */
import { type HmacTrial, ROUND_CONSTANTS, scheduleWords, type TrialKey } from './hmac-trial.ts';
import { TRIAL, TRIAL_KEY, TRIAL_MEMORY, trialModule } from './hmac-trial-module.ts';
import { MEMORY } from './wasm-assembler.ts';

/** As much of the WebAssembly JavaScript Interface as is used: a global of each engine, not of the language. */
interface Engine {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> };
}
declare const WebAssembly: Engine | undefined;

type Trial = (selected: number, end: number, result: number, textEnd: number) => void;

const PAGE = 65_536;
const LANES = 4;
const MAC_WORDS = 8;

let compiled: object | undefined;

/** Keys in a memory of their own, which has its size from the start. Prints as nothing of them. */
export class HmacTrials {
  readonly #run: Trial;
  readonly #words: Int32Array;
  readonly #results: Uint8Array;
  /** Address of a key, by its number; 0 for none. */
  readonly #addresses: Int32Array;
  readonly #textEnd: number;
  readonly #selected: number;
  readonly #result: number;

  /** @throws Error what the engine throws that has no memory or will not compile */
  private constructor(engine: Engine, keys: readonly (TrialKey | undefined)[], most: number) {
    this.#textEnd = TRIAL_MEMORY.text + 4 * scheduleWords(most);
    const present = keys.filter((key) => key !== undefined).length;
    this.#selected = this.#textEnd + TRIAL_KEY * present;
    const groups = Math.ceil(present / LANES);
    this.#result = this.#selected + 4 * LANES * groups;
    const pages = Math.ceil((this.#result + groups) / PAGE);
    const memory = new engine.Memory({ initial: pages, maximum: pages });
    compiled ??= new engine.Module(trialModule());
    const { exports } = new engine.Instance(compiled, { [MEMORY[0]]: { [MEMORY[1]]: memory } });
    this.#run = exports[TRIAL] as Trial;
    this.#words = new Int32Array(memory.buffer);
    this.#results = new Uint8Array(memory.buffer, this.#result, groups);
    this.#addresses = new Int32Array(keys.length);
    this.#fill(keys);
  }

  /**
   * Makes keys ready for texts of at most `most` bytes.
   *
   * @returns undefined if the engine cannot do it
   */
  static of(keys: readonly (TrialKey | undefined)[], most: number): HmacTrials | undefined {
    if (typeof WebAssembly === 'undefined' || !LITTLE_ENDIAN) return undefined;
    try {
      return new HmacTrials(WebAssembly, keys, most);
    } catch {
      // No vectors, no address space, or a policy against compiling: one key after the other goes everywhere.
      return undefined;
    }
  }

  /**
   * Which of the `selected` keys, by their number, have `mac`, 8 big-endian words, as the HMAC of the text. How long it takes depends on
   * how many are selected alone.
   *
   * @throws RangeError for more than there are, or one that is not there
   */
  matching({ schedule }: HmacTrial, mac: Int32Array, selected: readonly number[]): readonly number[] {
    const words = this.#words;
    const groups = Math.ceil(selected.length / LANES);
    if (groups > this.#results.length) throw new RangeError('hmac trials: more keys than there are');
    if (mac.length !== MAC_WORDS || groups === 0) return [];
    words.set(mac, TRIAL_MEMORY.mac / 4);
    words.set(schedule, TRIAL_MEMORY.text / 4);
    const first = this.#selected / 4;
    for (let i = 0; i < groups * LANES; i++) {
      // The last group is filled up with its last key.
      const address = this.#addresses[selected[Math.min(i, selected.length - 1)] ?? -1] ?? 0;
      if (address === 0) throw new RangeError('hmac trials: there is no such key');
      words[first + i] = address;
    }
    const end = this.#selected + 4 * LANES * groups;
    this.#run(this.#selected, end, this.#result, TRIAL_MEMORY.text + 4 * schedule.length);
    const found: number[] = [];
    for (let group = 0; group < groups; group++) {
      const bits = this.#results[group] ?? 0;
      if (bits === 0) continue;
      for (let lane = 0; lane < LANES; lane++) {
        const key = selected[group * LANES + lane];
        if (key !== undefined && (bits & (1 << lane)) !== 0) found.push(key);
      }
    }
    return found;
  }

  #fill(keys: readonly (TrialKey | undefined)[]): void {
    const words = this.#words;
    ROUND_CONSTANTS.forEach((constant, round) => {
      words.fill(
        constant,
        TRIAL_MEMORY.constants / 4 + LANES * round,
        TRIAL_MEMORY.constants / 4 + LANES * (round + 1),
      );
    });
    // The block of the outer hash: 32 bytes, the end mark, and the length, with the block of the key before.
    words.fill(0x8000_0000, TRIAL_MEMORY.padding / 4, TRIAL_MEMORY.padding / 4 + LANES);
    words.fill((64 + 32) * 8, TRIAL_MEMORY.padding / 4 + 7 * LANES, TRIAL_MEMORY.padding / 4 + 8 * LANES);
    let address = this.#textEnd;
    for (const [number, key] of keys.entries()) {
      if (key === undefined) continue;
      words.set(key.inner, address / 4);
      words.set(key.outer, address / 4 + MAC_WORDS);
      this.#addresses[number] = address;
      address += TRIAL_KEY;
    }
  }
}

/** As memories of WebAssembly are everywhere. */
const LITTLE_ENDIAN = new Uint8Array(Int32Array.of(1).buffer)[0] === 1;
