#!/usr/bin/env node
import process from 'node:process';
import { processIo, runProgram } from '@postern/terminal';
import { program } from './program.ts';

process.exitCode = await runProgram(program, process.argv.slice(2), processIo(), process.env['POSTERN_DEBUG'] === '1');
