#!/usr/bin/env node
import { start } from './run.ts';

start();
