import 'reflect-metadata';
import { runService } from '#service';
import { gatekeeper } from './app.module.js';

await runService(gatekeeper);
