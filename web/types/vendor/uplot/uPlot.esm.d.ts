/** The part of uPlot 1.6 that the pages use. */
export type Columns = (number | null)[][];
export interface Axis {
  show?: boolean;
  scale?: string;
  side?: number;
  size?: number;
  gap?: number;
  font?: string;
  stroke?: string;
  grid?: { show?: boolean; stroke?: string; width?: number };
  ticks?: { show?: boolean };
  splits?: number[] | ((plot: unknown) => number[]);
  values?: (plot: unknown, splits: number[]) => string[];
}
export interface Series {
  label?: string;
  scale?: string;
  stroke?: string;
  fill?: string;
  width?: number;
  dash?: number[];
  points?: { show?: boolean };
  spanGaps?: boolean;
}
export interface Options {
  width: number;
  height: number;
  padding?: (number | null)[];
  cursor?: { show?: boolean };
  legend?: { show?: boolean };
  select?: { show?: boolean };
  scales?: Record<string, { time?: boolean; range?: [number, number] | (() => [number, number]) }>;
  axes?: Axis[];
  series: Series[];
}
export default class uPlot {
  constructor(options: Options, data: Columns, target: HTMLElement);
  setData(data: Columns): void;
  setSize(size: { width: number; height: number }): void;
  destroy(): void;
}
