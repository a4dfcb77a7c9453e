"""Networks of PyTorch and scikit-learn: conversion both ways, and measurement as they are."""
