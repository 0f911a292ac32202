/* SPDX-License-Identifier: MIT */
#version 450

/* Does not end until the word is written, which nobody does. */
layout(local_size_x = 1) in;
layout(std430, binding = 0) coherent volatile buffer Words {
	uint stop;
	uint turns;
};

void main()
{
	while (stop == 0) {
		turns++;
	}
}
