/* SPDX-License-Identifier: MIT */
/* void lab_switch(void **save, void **load): see fiber.h. AAPCS64. */
#if defined(__aarch64__)

	.text
	.globl	lab_switch
	.type	lab_switch, %function
	.p2align 4
lab_switch:
	.cfi_startproc
	sub	sp, sp, #160
	.cfi_adjust_cfa_offset 160
	stp	x19, x20, [sp, #0]
	stp	x21, x22, [sp, #16]
	stp	x23, x24, [sp, #32]
	stp	x25, x26, [sp, #48]
	stp	x27, x28, [sp, #64]
	stp	x29, x30, [sp, #80]
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	mov	x9, sp
	str	x9, [x0]
	ldr	x9, [x1]
	mov	sp, x9
	ldp	x19, x20, [sp, #0]
	ldp	x21, x22, [sp, #16]
	ldp	x23, x24, [sp, #32]
	ldp	x25, x26, [sp, #48]
	ldp	x27, x28, [sp, #64]
	ldp	x29, x30, [sp, #80]
	ldp	d8, d9, [sp, #96]
	ldp	d10, d11, [sp, #112]
	ldp	d12, d13, [sp, #128]
	ldp	d14, d15, [sp, #144]
	add	sp, sp, #160
	.cfi_adjust_cfa_offset -160
	ret
	.cfi_endproc
	.size	lab_switch, .-lab_switch

/* First frame of a fiber: lab_fiber_arm() put its function in x19 and its argument in x20. */
	.globl	lab_fiber_start
	.type	lab_fiber_start, %function
	.p2align 4
lab_fiber_start:
	.cfi_startproc
	.cfi_undefined x30
	mov	x0, x20
	mov	x29, xzr
	mov	x30, xzr
	blr	x19
	brk	#0
	.cfi_endproc
	.size	lab_fiber_start, .-lab_fiber_start

#endif
#if defined(__linux__)
	.section .note.GNU-stack,"",%progbits
#endif
