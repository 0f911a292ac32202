/* SPDX-License-Identifier: MIT */
/*
 * A target without libFuzzer: plays each file that is named, or each in the folders that are named.
 * For the inputs that are known, in every build of the tests; and for their coverage.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST_BYTES (1u << 20)

static int play(const char *path)
{
	/* Of its own size, so that reading beyond it is seen. */
	FILE *file = fopen(path, "rbe");
	uint8_t *whole = malloc(MOST_BYTES);
	if (file == NULL || whole == NULL) {
		fprintf(stderr, "cannot read %s\n", path);
		exit(2);
	}
	size_t size = fread(whole, 1, MOST_BYTES, file);
	fclose(file);
	uint8_t *data = malloc(size > 0 ? size : 1);
	memcpy(data, whole, size);
	free(whole);
	if (getenv("FUZZ_LOG") != NULL) {
		fprintf(stderr, "---- %s\n", path);
	}
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 1;
}

static int play_all(const char *path)
{
	struct stat info;
	struct dirent **names;
	if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode)) {
		return play(path);
	}
	int count = scandir(path, &names, NULL, alphasort);
	int played = 0;
	for (int i = 0; i < count; i++) {
		char inner[4096];
		if (names[i]->d_name[0] != '.') {
			snprintf(inner, sizeof(inner), "%s/%s", path, names[i]->d_name);
			played += play_all(inner);
		}
		free(names[i]);
	}
	if (count >= 0) {
		free(names);
	}
	return played;
}

int main(int argc, char **argv)
{
	int played = 0;
	LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		played += play_all(argv[i]);
	}
	printf("%d inputs played\n", played);
	return played > 0 ? 0 : 1;
}
