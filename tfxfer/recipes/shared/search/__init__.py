"""The search behind `tfxfer transfer`: which backbone, how much of it to train and how, within a time that is given.

Every step leaves its outcome in a journal, and every decision follows from outcomes, so a killed search continues.
"""
