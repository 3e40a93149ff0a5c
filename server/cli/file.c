#include "config/base/blob.h"
#include "server/cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum err
cli_read_file(const char *path, size_t max, struct buf *out, struct why *why)
{
	bool in = strcmp(path, "-") == 0;
	FILE *f = in ? stdin : fopen(path, "re");
	char part[8192];
	enum err e = ERR_OK;
	size_t n;

	if (f == NULL)
		return why_set(why, ERR_IO, "", "%s: %s", path,
		    strerror(errno));
	while ((n = fread(part, 1, sizeof(part), f)) > 0) {
		if (n > max - out->len) {
			e = why_set(why, ERR_TOO_BIG, "", "%s: over %zu bytes",
			    path, max);
			goto out;
		}
		buf_add(out, part, n);
	}
	if (ferror(f))
		e = why_set(why, ERR_IO, "", "%s: %s", path, strerror(errno));
out:
	if (!in)
		fclose(f);
	return e;
}

enum err
cli_read_line(const char *path, struct buf *out, struct why *why)
{
	struct buf all = BUF_INIT;
	size_t from = 0, to;
	enum err e;

	if ((e = cli_read_file(path, 65536, &all, why)) != ERR_OK)
		goto out;
	for (to = 0; to < all.len && all.p[to] != '\n'; to++)
		;
	while (from < to && isspace((unsigned char)all.p[from]))
		from++;
	while (to > from && isspace((unsigned char)all.p[to - 1]))
		to--;
	if (from == to) {
		e = why_set(why, ERR_FORMAT, "", "%s: its first line is empty",
		    path);
		goto out;
	}
	buf_add(out, all.p + from, to - from);
out:
	if (all.p != NULL)
		explicit_bzero(all.p, all.len);
	buf_free(&all);
	return e;
}

enum err
cli_write_file(const char *path, struct span s, int mode, bool over,
    struct why *why)
{
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (over ? O_TRUNC : O_EXCL);
	int fd = open(path, flags, mode);
	enum err e = ERR_OK;
	ssize_t n;

	if (fd == -1)
		return why_set(why, ERR_IO, "", "%s: %s", path,
		    strerror(errno));
	/* The mode of a file that was there before is not ours to trust. */
	if (fchmod(fd, (mode_t)mode) == -1)
		goto failed;
	while (s.len > 0) {
		n = write(fd, s.p, s.len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			goto failed;
		s.p += n;
		s.len -= (size_t)n;
	}
	if (close(fd) == 0)
		return ERR_OK;
	fd = -1;
failed:
	e = why_set(why, ERR_IO, "", "%s: %s", path, strerror(errno));
	if (fd != -1)
		close(fd);
	return e;
}

int
cli_put(const struct cli *cli, struct span s)
{
	const char *path = cli_value(cli, "output");
	struct why why = { 0 };

	if (path == NULL || strcmp(path, "-") == 0) {
		fwrite(s.p, 1, s.len, stdout);
		return CLI_OK;
	}
	if (cli_write_file(path, s, 0644, true, &why) != ERR_OK)
		return cli_fail(cli, "%s", why.text);
	return CLI_OK;
}
