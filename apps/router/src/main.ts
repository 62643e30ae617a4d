import 'reflect-metadata';
import { runService } from '#service';
import { router } from './app.module.js';

await runService(router);
