#!/usr/bin/env node
import process from 'node:process';
import { processIo, runProgram } from '@postern/terminal';
import { program } from './program.ts';

// No top-level await: the bundle (script/bundle) is one script, which starts faster than a module.
void runProgram(program, process.argv.slice(2), processIo(), process.env['POSTERN_DEBUG'] === '1').then((code) => {
  process.exitCode = code;
});
