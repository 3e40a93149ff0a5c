export const baselineTests = () => [];
