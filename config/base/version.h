/* The version, for -V and the User-Agent. */
#ifndef CONFIG_BASE_VERSION_H
#define CONFIG_BASE_VERSION_H

#define LARDER_VERSION "0.1.0"

#endif
