import { alias } from './aliases.ts';

await alias('provider');
