/* SPDX-License-Identifier: MIT */
/* void lab_switch(void **save, void **load): see fiber.h. System V ABI, x86-64. */
#if defined(__x86_64__)

	.text
	.globl	lab_switch
	.type	lab_switch, @function
	.p2align 4
lab_switch:
	.cfi_startproc
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	movq	%rsp, (%rdi)
	movq	(%rsi), %rsp
	popq	%r15
	.cfi_adjust_cfa_offset -8
	popq	%r14
	.cfi_adjust_cfa_offset -8
	popq	%r13
	.cfi_adjust_cfa_offset -8
	popq	%r12
	.cfi_adjust_cfa_offset -8
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size	lab_switch, .-lab_switch

/* First frame of a fiber: lab_fiber_arm() put its function in r12 and its argument in r13. */
	.globl	lab_fiber_start
	.type	lab_fiber_start, @function
	.p2align 4
lab_fiber_start:
	.cfi_startproc
	.cfi_undefined rip
	movq	%r13, %rdi
	xorl	%ebp, %ebp
	callq	*%r12
	ud2
	.cfi_endproc
	.size	lab_fiber_start, .-lab_fiber_start

#endif
#if defined(__linux__)
	.section .note.GNU-stack,"",@progbits
#endif
