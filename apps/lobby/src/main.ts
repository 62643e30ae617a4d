import 'reflect-metadata';
import { runService } from '#service';
import { lobby } from './app.module.js';

await runService(lobby);
